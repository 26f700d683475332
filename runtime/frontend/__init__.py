"""Raw ADC counts to network input: integer, causal, the same in training, evaluation, streaming and firmware."""

"""What quantization did to a network, as data, JSON and a page; and the pages' common looks."""

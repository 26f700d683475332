"""A network of dense layers as a user of Lava writes it: the peer of bench_loihi.py, run under Lava's own Python.

Reads the folder of a network and its inputs a line, builds, runs, reads the outputs, stops, and answers with the
seconds that each took, a line of JSON; outputs are left in the folder.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi1SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIFReset


def run(layers, x):
    """Outputs [T, B, classes] of x [T, B, inputs], all inferences in one run, and how long its parts took."""
    times = [time.perf_counter()]
    steps, batch, size = x.shape
    total = steps * batch + len(layers)
    data = np.zeros((size, total), np.int32)
    data[:, : steps * batch] = x.transpose(2, 1, 0).reshape(size, -1)
    source = Source(data=data)
    sends = source.s_out
    for i, layer in enumerate(layers):
        dense = Dense(weights=layer["weight"], weight_exp=layer["weight_exp"], num_message_bits=0)
        size = len(layer["weight"])
        # A layer computes its first step one step later for each connection before it.
        reset = {"reset_interval": steps, "reset_offset": (i + 2) % steps}
        lif = LIFReset(shape=(size,), du=layer["du"], dv=layer["dv"], vth=layer["vth"], **reset)
        sends.connect(dense.s_in)
        dense.a_out.connect(lif.a_in)
        sends = lif.s_out
    sink = Sink(shape=(size,), buffer=total)
    sends.connect(sink.a_in)
    lif.create_runtime(run_cfg=Loihi1SimCfg(select_tag="fixed_pt"))
    times.append(time.perf_counter())
    lif.run(condition=RunSteps(num_steps=total))
    times.append(time.perf_counter())
    recorded = sink.data.get().astype(np.int32)[:, len(layers) :]
    times.append(time.perf_counter())
    lif.stop()
    times.append(time.perf_counter())
    names = ("build", "run", "read", "stop")
    taken = {name: times[i + 1] - times[i] for i, name in enumerate(names)}
    return recorded.reshape(size, batch, steps).transpose(2, 1, 0), taken


def main():
    loaded = {}
    print("ready", flush=True)
    for line in sys.stdin:
        folder = Path(line.strip())
        if folder not in loaded:
            layers = json.loads((folder / "layers.json").read_text())
            for i, layer in enumerate(layers):
                layer["weight"] = np.load(folder / f"weight-{i}.npy")
            loaded[folder] = layers, np.load(folder / "x.npy")
        outputs, taken = run(*loaded[folder])
        np.save(folder / "y.npy", outputs)
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main()

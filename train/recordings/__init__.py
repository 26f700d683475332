"""Recordings and their reference beats, as a wearable would send them."""

from cortexcore.train.recordings.annotations import AAMI_CLASSES, AAMI_OF_SYMBOL, BeatAnnotations, load_beats
from cortexcore.train.recordings.datasets import DATASETS, Dataset, DatasetStatus, list_datasets
from cortexcore.train.recordings.fetch import FetchReport, FetchStep, fetch_dataset
from cortexcore.train.recordings.locate import find_data, user_cache
from cortexcore.train.recordings.recording import Recording, lead_names, load_recording
from cortexcore.train.recordings.records import DS1, DS2, PACED, SPLITS, split_records
from cortexcore.train.recordings.resample import WEARABLE_RATE_HZ, to_wearable_rate
from cortexcore.train.recordings.verify import VerifyReport, verify_dataset

__all__ = [
    "AAMI_CLASSES",
    "AAMI_OF_SYMBOL",
    "DATASETS",
    "DS1",
    "DS2",
    "PACED",
    "SPLITS",
    "WEARABLE_RATE_HZ",
    "BeatAnnotations",
    "Dataset",
    "DatasetStatus",
    "FetchReport",
    "FetchStep",
    "Recording",
    "VerifyReport",
    "fetch_dataset",
    "find_data",
    "lead_names",
    "list_datasets",
    "load_beats",
    "load_recording",
    "split_records",
    "to_wearable_rate",
    "user_cache",
    "verify_dataset",
]

"""The front door lists what it offers, though it loads names only when they are used."""

import cortexcore


def test_dir_names_what_can_be_imported() -> None:
    assert set(cortexcore.__all__) <= set(dir(cortexcore))
    assert all(getattr(cortexcore, name) is not None for name in cortexcore.__all__)

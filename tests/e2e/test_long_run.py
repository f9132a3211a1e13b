"""An hour of media, faster than real time."""
import pytest

import long_run


# One after the other with what is measured by time.
@pytest.mark.xdist_group("heavy")
def test_hour(rtmp, tmp_path):
    """A file, segments and a stream: everything is there, and memory stays as it was."""
    long_run.expect_flat(long_run.run(tmp_path, rtmp(), seconds=3600))

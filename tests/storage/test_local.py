"""A folder of this machine."""
from cases import TYPE, expect_ok


def files(path):
    return [found.name for found in path.rglob("*") if found.is_file()]


def test_put_and_upload(store, tmp_path, small, large):
    tool = store({"kind": "local", "prefix": str(tmp_path / "backup")})
    expect_ok(tool.do("put", "a/b c.mp4", file=small, type=TYPE))
    expect_ok(tool.do("upload", "a/large.mp4", file=large, type=TYPE, part_bytes=1 << 20))
    assert (tmp_path / "backup/a/b c.mp4").read_bytes() == small.read_bytes()
    assert (tmp_path / "backup/a/large.mp4").read_bytes() == large.read_bytes()
    assert expect_ok(tool.do("location", "a/b c.mp4"))["location"] == str(tmp_path / "backup/a/b c.mp4")
    assert sorted(files(tmp_path / "backup")) == ["b c.mp4", "large.mp4"]


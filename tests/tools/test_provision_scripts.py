"""tools/provision/scripts.py: of the sources of others their tests stay, and nothing else."""

import tarfile

import pytest
from provision import Unavailable, scripts


def archive(folder, names):
    """An archive of sources as they come, with these files in it."""
    inside = folder / "inside"
    for name in names:
        path = inside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    target = folder / "target"
    target.mkdir()
    with tarfile.open(target / "paper_1.0.orig.tar.gz", "w:gz") as file:
        file.add(inside / "paper-1.0", "paper-1.0")
    (target / "paper_1.0.dsc").write_text("signed")
    return target


def test_one_folder_of_the_sources_is_kept(tmp_path):
    target = archive(
        tmp_path, ["paper-1.0/test/lib/a.py", "paper-1.0/src/a.c", "paper-1.0/README"]
    )
    scripts._keep(str(target), "paper_*.orig.tar.*", "test")
    found = [str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()]
    assert found == ["test/lib/a.py"]


def test_sources_without_an_archive_are_told(tmp_path):
    with pytest.raises(Unavailable, match="hold no paper"):
        scripts._keep(str(tmp_path), "paper_*.orig.tar.*", "test")

"""What a fresh machine gets to see of this one."""

from provision import fresh


def test_folders_that_pip_is_configured_with_are_shown(tmp_path):
    (tmp_path / "index/simple").mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    configuration = (
        "global.extra-index-url='file://%s/index/simple https://user@host.example/simple'\n"
        ":env:.find-links='%s/wheels %s/none'\n" % (tmp_path, tmp_path, tmp_path)
    )
    assert fresh.local_folders(configuration) == ["%s/index" % tmp_path, "%s/wheels" % tmp_path]
    assert fresh.local_folders("") == []

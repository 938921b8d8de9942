from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest
from invented import invented_documents

import hfloop
from hfloop.cli import main

pytestmark = pytest.mark.usefixtures("logger_as_before")
RESUME = invented_documents(1, first=30)[0]


@pytest.fixture
def hfloop_command(monkeypatch, capsys):
    """`hfloop …` in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["hfloop", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def resume(tmp_path):
    path = tmp_path / "cv.txt"
    path.write_text(RESUME.text, encoding="utf-8")
    return path


# ------------------------------------------------------------------ start


def test_help_is_instant_and_needs_no_heavy_library():
    code = (
        "import sys\nfrom hfloop.cli import main\nsys.argv = ['hfloop', '--help']\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "heavy = {'torch', 'transformers', 'datasets', 'accelerate', 'numpy', 'matplotlib'}\n"
        "print('heavy:', heavy & set(sys.modules))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1
    assert said.endswith("heavy: set()\n")
    assert all(command in said for command in ("data", "evaluate", "extract"))


def test_the_version_is_printed(hfloop_command):
    assert hfloop_command("--version") == (0, f"{hfloop.__version__}\n", "")


@pytest.mark.parametrize("command", [["data", "check"], ["data", "convert"], ["evaluate"], ["extract"]])
def test_every_command_has_help(hfloop_command, command):
    code, out, err = hfloop_command(*command, "--help")
    assert (code, err) == (0, "")
    assert out.strip()


# ------------------------------------------------------------------ commands


def test_extract_prints_json_for_programs_and_a_table_for_people(hfloop_command, tiny_release, resume):
    code, out, err = hfloop_command("extract", tiny_release, resume, "--json")
    assert (code, err) == (0, "")
    (answer,) = json.loads(out)
    assert [RESUME.text[entity["start"] : entity["end"]] for entity in answer["entities"]] == [
        RESUME.span_text(span) for span in RESUME.spans
    ]
    code, out, err = hfloop_command("extract", tiny_release, resume)
    assert (code, err) == (0, "")
    assert out.startswith(f"{resume}: 5 entities in ")


def test_evaluate_prints_json_for_programs_and_a_table_for_people(hfloop_command, tiny_release, data_files):
    code, out, err = hfloop_command("evaluate", tiny_release, "--data", data_files["test"], "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["support"] == 40
    code, out, err = hfloop_command("evaluate", tiny_release, "--data", data_files["test"], "--format", "doccano")
    assert (code, err) == (0, "")
    assert "\nmicro " in out


# ------------------------------------------------------------------ bad input: exit code 2 and one line


def test_bad_input_is_one_line_on_stderr_and_exit_code_2(hfloop_command, tiny_release, data_files, resume, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": "Ada", "label": [[0, 3, "Name"]]}\n{"text": \n')
    (tmp_path / "latin.txt").write_bytes(b"Zo\xeb")
    (tmp_path / "cv.pdf").write_bytes(b"%PDF-1.4 nonsense")
    (tmp_path / "cv.odt").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    test_file = data_files["test"]
    cases = [
        (["extract", tiny_release, tmp_path / "gone.txt"], "gone.txt cannot be read"),
        (["extract", tiny_release, tmp_path / "latin.txt"], "latin.txt is not UTF-8 text (byte 2)"),
        (["extract", tiny_release, tmp_path / "cv.pdf"], "cv.pdf is not a PDF that can be read"),
        (["extract", tiny_release, tmp_path / "cv.odt"], "is of an unknown kind `.odt`"),
        (["extract", tiny_release, tmp_path], "cannot be read (Is a directory)"),
        (["extract", tmp_path / "empty", resume], "empty holds no transformers model: it has no config.json."),
        (["extract", "no/such/model", resume], "no/such/model is neither a folder here nor a Hub id"),
        (["extract", "no/such", resume], "no/such is no folder here, and the Hub cannot be reached"),
        (["evaluate", tiny_release, "--data", tmp_path / "gone.jsonl"], "no such file: "),
        (["evaluate", tiny_release, "--data", tmp_path / "bad.jsonl"], "bad.jsonl, line 2: not JSON: "),
        (["evaluate", tiny_release, "--data", resume], "cannot tell its format; say which it is with --format"),
        (["evaluate", tiny_release, "--data", test_file, "--format", "docano"], "(did you mean `doccano`?)"),
        (["evaluate", tiny_release, "--data", test_file, "--format", "conll"], "it looks like doccano"),
        (["evaluate", "no/such", "--data", test_file], "no/such is no folder here"),
        (["data", "check", tmp_path / "gone.jsonl"], "no such file: "),
        (["data", "convert", test_file, tmp_path / "x", "--to", "conl"], "(did you mean `conll`?)"),
    ]
    for arguments, message in cases:
        code, out, err = hfloop_command(*arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith("error: "), arguments
        assert err.count("\n") == 1 and err.endswith("\n"), arguments
        assert message in err, arguments


@pytest.mark.parametrize("arguments", [["extract"], ["evaluate", "x"], ["evaluate", "x", "--dta", "y"], ["nothing"]])
def test_a_wrong_command_line_ends_with_exit_code_2(hfloop_command, arguments):
    code, out, err = hfloop_command(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err

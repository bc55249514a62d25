"""What the Tab key completes, asked of bash itself."""

import shutil
import subprocess

import pytest

from imgtrans_jax.commands import app, completion

ASK = """
try() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _imgtrans
  echo "${COMPREPLY[*]}"
}
"""


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("imgtrans tra", "train transfer translate"),
        ("imgtrans translate --lo", "--look="),
        ("imgtrans translate --ov", "--overwrite"),
        ("imgtrans train quick", "quickstart"),
        ("imgtrans train --config = quick", "quickstart"),
        ("imgtrans translate quick", ""),
        ("imgtrans translate pain", "painters"),
        ("imgtrans translate --run = pain", "painters"),
        ("imgtrans translate --look = my", "my_run"),
        ("imgtrans transfer --quality =", "draft normal best"),
        ("imgtrans transfer --quality = d", "draft"),
        ("imgtrans transfer --quality=d", "--quality=draft"),
        ("imgtrans translate my_ru", "my_run"),
        ("imgtrans translate 'a pi'", "a picture.png"),
    ],
)
def test_bash_completes(typed, completed, tmp_path, capsys):
    assert shutil.which("bash"), "the scripts of this project need bash too"
    (tmp_path / "my_run").mkdir()
    (tmp_path / "a picture.png").touch()
    assert app.run(completion, []) == 0
    script = f"{capsys.readouterr().out}{ASK}try {typed}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (completed, "")

"""Prints what makes the Tab key complete commands, flags and names in bash or zsh.

  eval "$(imgtrans completion)"

In ~/.bashrc, or in ~/.zshrc after `autoload -U bashcompinit compinit; compinit; bashcompinit`.
It knows the flags of the version that printed it.
"""

from __future__ import annotations

import importlib

from imgtrans_jax.commands import app

FLAGS = app.Flags()

_SCRIPT = """\
_imgtrans() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} choices=
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W '{commands}' -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}
  esac
  case $word in
    -*)
      COMPREPLY=($(compgen -W "$choices" -- "$word"))
      compopt -o nospace 2>/dev/null
      ;;
    *)
      case ${{COMP_WORDS[1]}} in
        train|configs) choices='{configs}' ;;
        *) choices= ;;
      esac
      local IFS=$'\n'
      COMPREPLY=($(IFS=' '; compgen -W "$choices" -- "$word"; compgen -f -- "$word"))
      ;;
  esac
}}
complete -o filenames -F _imgtrans imgtrans
"""


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax import config

    app.no_overrides(overrides)
    names = app.commands()
    cases = [f"    {name}) choices='{' '.join(_flags(name))}' ;;" for name in names]
    print(
        _SCRIPT.format(
            commands=" ".join(names), cases="\n".join(cases), configs=" ".join(config.shipped())
        ),
        end="",
    )
    return 0


def _flags(name: str) -> list[str]:
    """The flags of a command as they are typed."""
    known: app.Flags = importlib.import_module(f"{__package__}.{name}").FLAGS
    return [
        f"--{flag}{'' if known[flag].boolean else '='}"
        for flag in sorted(known)
        if "Alias for" not in known[flag].help
    ] + ["--help"]

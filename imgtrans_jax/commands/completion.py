"""Prints what makes the Tab key complete commands, flags and names in bash or zsh.

  eval "$(imgtrans completion)"

In ~/.bashrc, or in ~/.zshrc after `autoload -U bashcompinit compinit; compinit; bashcompinit`.
It knows the flags of the version that printed it.
"""

from __future__ import annotations

import importlib
import itertools

from imgtrans_jax.commands import app

FLAGS = app.Flags()

_SCRIPT = """\
_imgtrans() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} choices= flag= begun=
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W '{commands}' -- "$word"))
    return
  fi
  # bash parts --flag=value at the =, zsh does not
  case $word in
    =) flag=$before word= ;;
    --*=*) flag=${{word%%=*}} begun=${{word%%=*}}= word=${{word#*=}} ;;
    *) if [ "$before" = = ]; then flag=${{COMP_WORDS[COMP_CWORD-2]}}; fi ;;
  esac
  case "${{COMP_WORDS[1]}} $flag" in
{values}
  esac
  if [ -n "$choices" ]; then
    COMPREPLY=($(compgen -P "$begun" -W "$choices" -- "$word"))
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
      case "${{COMP_WORDS[1]}} $flag" in
        'train '*|'configs '*) choices='{configs}' ;;
        {takers}) choices='{networks}' ;;
        *) choices= ;;
      esac
      local IFS=$'\n'
      COMPREPLY=($(IFS=' '; compgen -P "$begun" -W "$choices" -- "$word"
        compgen -P "$begun" -f -- "$word"))
      ;;
  esac
}}
complete -o filenames -F _imgtrans imgtrans
"""


# What takes a finished network by its name, and the flag that does.
_TAKERS = {
    "compare": "--runs",
    "convert": "--src",
    "demo": "--src",
    "evaluate": "--run",
    "export": "--src",
    "networks": "--name",
    "translate": "--run",
}


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax import config
    from imgtrans_jax.inference import shelf

    app.no_overrides(overrides)
    names = app.commands()
    cases = [f"    {name}) choices='{' '.join(_flags(name))}' ;;" for name in names]
    print(
        _SCRIPT.format(
            commands=" ".join(names),
            cases="\n".join(cases),
            values="\n".join(itertools.chain.from_iterable(map(_values, names))),
            configs=" ".join(config.shipped()),
            takers="|".join(
                f"'{name} {flag}'" for name, own in _TAKERS.items() for flag in ("", own)
            ),
            networks=" ".join(shelf.names()),
        ),
        end="",
    )
    return 0


def _known(name: str) -> app.Flags:
    return importlib.import_module(f"{__package__}.{name}").FLAGS


def _values(name: str) -> list[str]:
    """Of the flags of a command that are choices, the cases of them."""
    known = _known(name)
    return [
        f"    '{name} --{flag}') choices='{' '.join(values)}' ;;"
        for flag in sorted(known)
        if (values := getattr(known[flag].parser, "enum_values", None))
    ]


def _flags(name: str) -> list[str]:
    """The flags of a command as they are typed."""
    known = _known(name)
    return [
        f"--{flag}{'' if known[flag].boolean else '='}"
        for flag in sorted(known)
        if "Alias for" not in known[flag].help
    ] + ["--help"]

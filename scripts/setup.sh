#!/usr/bin/env bash
# Makes .venv with stspec and some of its extras; does nothing where that is done already.
#
#   scripts/setup.sh EXTRAS        such as: video, or dev,video
#
# STSPEC_TORCH names another torch, as pip takes it. Plain torch brings several GB of CUDA along on
# Linux; a CPU is enough for everything here: STSPEC_TORCH="torch --index-url URL-OF-CPU-WHEELS".
set -euo pipefail
cd "$(dirname "$0")/.."
extras=$1

done_mark=.venv/.stspec-$extras
state=$(cksum <pyproject.toml)
if [[ -f $done_mark && $(<"$done_mark") == "$state" ]]; then exit 0; fi

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
if [[ ! -x .venv/bin/pip ]]; then
  for python in python3 python3.13 python3.12 python3.11 python; do
    if "$python" -c "$new_enough" 2>/dev/null; then break; fi
    python=
  done
  if [[ -z $python ]]; then echo "stspec needs Python 3.11 or later" >&2; exit 1; fi
  "$python" -m venv .venv || { rm -rf .venv; exit 1; }
fi

echo "Setting up .venv: torch and a few more, once" >&2
pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
# Words are split on purpose: a requirement, then pip's own options.
# shellcheck disable=SC2086
"${pip[@]}" ${STSPEC_TORCH:-torch==2.13.0}
"${pip[@]}" -e ".[$extras]"
echo "$state" >"$done_mark"

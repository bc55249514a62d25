#!/usr/bin/env bash
# What a rented machine with a GPU is for, in order of value and within ten minutes:
#
#   bash benchmarks/device.sh OUT [WHEELS]
#
# in the root of a checkout, on a machine that has Python with jax for CUDA and torch; it needs no
# network. WHEELS is a folder of packages that the machine lacks (grain, array-record, portpicker,
# tensorboardX). Writes to OUT after each part: machine.txt, tests.log, steps.log and steps.json
# (seconds, memory and kernels beside PyTorch's best), and facades.log with facades.png: a training
# of pix2pix on $IMGTRANS_DATA/facades, if that is there.
# PARTS="tests steps facades" chooses; SECONDS_FOR_TESTS=300, SECONDS_FOR_STEPS=240 and EPOCHS=100
# (half of them with a falling rate) set their length.
set -u
out=${1:?"Give a folder for the results: bash benchmarks/device.sh OUT [WHEELS]"}
parts=${PARTS:-tests steps facades}
mkdir -p "$out"
export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD
if [ -n "${2:-}" ]; then
  site=$(mktemp -d)
  python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir \
    --target "$site" "$2"/*.whl || exit 1
  export PYTHONPATH=$PWD:$site
fi
part() { echo "=== $1, after $SECONDS s"; }

part machine
{
  nvidia-smi
  nproc
  python3 -c 'import jax, torch
print("jax", jax.__version__, jax.devices(), "torch", torch.__version__)'
} >"$out/machine.txt" 2>&1
tail -n 1 "$out/machine.txt"

if [[ $parts = *tests* ]]; then
  part "tests, beside the first compilation"
  timeout "${SECONDS_FOR_TESTS:-300}" \
    python3 -m pytest -m device -q -n 0 -rA -p no:cacheprovider tests/device \
    >"$out/tests.log" 2>&1 &
  tests=$!
fi
if [[ $parts = *steps* ]]; then
  part "steps beside PyTorch"
  seconds=${SECONDS_FOR_STEPS:-240}
  timeout $((seconds + 150)) python3 -m benchmarks.device --seconds="$seconds" \
    --json="$out/steps.json" 2>&1 | tee "$out/steps.log"
fi
if [[ $parts = *facades* ]]; then
  part "pix2pix on facades"
  epochs=$((${EPOCHS:-100} / 2))
  XLA_PYTHON_CLIENT_PREALLOCATE=false timeout "${SECONDS_FOR_FACADES:-420}" python3 train.py \
    --config=configs/pix2pix_facades.py --workdir="$out/run" --config.batch_size="${BATCH:-4}" \
    --config.optimizer.schedule.constant_epochs=$epochs \
    --config.optimizer.schedule.decay_epochs=$epochs \
    --config.sample_every=1000 ${FACADES_FLAGS:-} >"$out/facades.log" 2>&1
  tail -n 4 "$out/facades.log"
  cp "$(ls -t "$out"/run/samples/*.png | head -n 1)" "$out/facades.png"
  cp "$out/run/metrics.jsonl" "$out/facades.jsonl"
  rm -rf "$out/run"
fi
if [[ $parts = *tests* ]]; then
  wait "$tests"
  tail -n 6 "$out/tests.log"
fi
part end

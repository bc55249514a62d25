"""Style transfer beside a minimal PyTorch script: the same weights, losses, pictures and start, turn by turn in one run.

  python benchmarks/style.py [--size=256] [--rounds=2] [--only=adam] [--torch_python=python_that_has_torch] [--json=FILE]

For L-BFGS (100 gradient evaluations; PyTorch with and without its strong Wolfe line search) and Adam (300 steps) it prints
seconds an evaluation, compile seconds, peak memory, and the lowest loss so far after equally many evaluations and after
equally many seconds. PyTorch runs in the memory layout that is faster for it here.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"
EVALUATIONS = {"lbfgs": 100, "lbfgs_wolfe": 100, "adam": 300}
MORE = 1.5  # of the evaluations, by ours, to see where it stands when PyTorch's seconds are over


def pictures(size: int, folder: Path) -> Path:
    """Content, style and weights in one file that both sides read."""
    from imgtrans_jax import images, samples
    from imgtrans_jax.pretrained.vgg import load_vgg

    _, params = load_vgg("embedded")
    arrays = {
        f"{layer}/{part}": x
        for layer, parts in params["params"].items()
        if isinstance(parts, dict)
        for part, x in parts.items()
    }
    photograph = samples.photograph()
    square = photograph[:, (photograph.shape[1] - photograph.shape[0]) // 2 :][:, : photograph.shape[0]]
    for name, picture in (("content", square), ("style", samples.painting())):
        arrays[name] = images.resize(picture, size, size).astype(np.float32)[None] / 255
    path = folder / "inputs.npz"
    np.savez(path, **arrays)
    return path


# ------------------------------------------------------------------------------------------------ ours


def ours(method: str, count: int, inputs: dict[str, np.ndarray]) -> dict:
    import jax

    from imgtrans_jax.image_opt import compile_step, start
    from imgtrans_jax.models.vgg import DEVIATION, MEAN
    from imgtrans_jax.optim import LBFGS, PixelAdam
    from imgtrans_jax.recipes.gatys import Gatys

    recipe = Gatys(content_weight=1.0)
    optimizer = PixelAdam(0.02, cooling=0.0) if method == "adam" else LBFGS()
    names = {name.split("/")[0] for name in inputs if "/" in name}
    network: dict = {name: {part: inputs[f"{name}/{part}"] for part in ("kernel", "bias")} for name in names}
    network |= {"mean": np.float32(np.array(MEAN)), "deviation": np.float32(np.array(DEVIATION))}
    params = jax.device_put({"params": network})
    frozen = {
        "params": params,
        "weights": {"content": np.float32(1), "style": np.float32(1)},
        "content": jax.jit(lambda p, x: recipe.content_targets(16, p, x))(params, inputs["content"]),
        "styles": (jax.jit(lambda p, x: recipe.style_targets(16, p, [x], [1.0]))(params, inputs["style"]),),
        "shares": (np.float32(1),),
        "masks": (),
    }
    count = round(count * MORE)
    began = time.perf_counter()
    program = compile_step(recipe.objective(16), inputs["content"], frozen, optimizer, count, clip=False)
    compiled = time.perf_counter() - began
    walk = jax.block_until_ready(jax.jit(lambda x: start(x, optimizer, count))(inputs["content"]))
    seconds, losses = [], []
    began = time.perf_counter()
    for _ in range(count):
        walk, terms = program(walk, frozen)
        losses.append(float(terms["total"]))
        seconds.append(time.perf_counter() - began)
    return {"compile_s": compiled, "seconds": seconds, "losses": losses}


# ------------------------------------------------------------------------------------------------ PyTorch


def theirs(method: str, count: int, inputs: dict[str, np.ndarray]) -> dict:
    import torch
    import torch.nn.functional as F

    device = "cuda" if torch.cuda.is_available() else "cpu"
    layouts = (torch.contiguous_format, torch.channels_last)
    mean = torch.tensor([0.485, 0.456, 0.406], device=device)[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225], device=device)[:, None, None]
    order = [f"conv{b}_{i}" for b, n in enumerate((2, 2, 3, 3, 1), 1) for i in range(1, n + 1)]

    def prepare(layout):
        def tensor(array):
            return torch.tensor(array.transpose(0, 3, 1, 2)).to(device).contiguous(memory_format=layout)

        kernels = {}
        for name in order:
            kernel = torch.tensor(inputs[f"{name}/kernel"].transpose(3, 2, 0, 1)).to(device).contiguous(memory_format=layout)
            kernels[name] = (kernel, torch.tensor(inputs[f"{name}/bias"]).to(device))

        def features(x):
            found, x = {}, ((x - mean) / deviation).contiguous(memory_format=layout)
            for name in order:
                if name.endswith("_1") and name != "conv1_1":
                    x = F.max_pool2d(x, 2)
                x = found[name.replace("conv", "relu")] = F.relu(F.conv2d(x, *kernels[name], padding=1))
            return found

        def gram(f):
            flat = f.flatten(2)[0]
            return flat @ flat.T / flat.shape[1]

        with torch.no_grad():
            wanted = features(tensor(inputs["content"]))[CONTENT_LAYER]
            styles = {k: gram(f) for k, f in features(tensor(inputs["style"])).items() if k in STYLE_LAYERS}
        powers = {k: a.square().sum() for k, a in styles.items()}

        def loss(x):
            found = features(x)
            content = (found[CONTENT_LAYER] - wanted).square().sum() / wanted.square().sum()
            return content + sum((gram(found[k]) - a).square().sum() / powers[k] for k, a in styles.items()) / len(styles)

        return tensor(inputs["content"]).contiguous().requires_grad_(), loss

    def spent(layout):
        x, loss = prepare(layout)
        times = []
        for _ in range(4):
            began = time.perf_counter()
            loss(x).backward()
            times.append(time.perf_counter() - began)
        return min(times)

    x, loss = prepare(min(layouts, key=spent))
    seconds: list[float] = []
    losses: list[float] = []

    def closure():
        optimizer.zero_grad()
        value = loss(x)
        value.backward()
        losses.append(value.item())
        seconds.append(time.perf_counter() - began)
        return value

    began = time.perf_counter()
    if method == "adam":
        optimizer = torch.optim.Adam([x], lr=0.02, betas=(0.9, 0.99))
        for _ in range(count):
            optimizer.step(closure)
    else:
        search = "strong_wolfe" if method == "lbfgs_wolfe" else None
        optimizer = torch.optim.LBFGS(
            [x], max_iter=count, max_eval=count, line_search_fn=search, tolerance_grad=0, tolerance_change=0
        )
        optimizer.step(closure)
    return {"compile_s": 0.0, "seconds": seconds[:count], "losses": losses[:count]}


# ------------------------------------------------------------------------------------------------ both


def side(which: str, method: str, count: str, inputs: str, result: str) -> None:
    with np.load(inputs, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    found = (ours if which == "ours" else theirs)(method, int(count), arrays)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if which == "ours":
        import jax

        found["version"] = f"jax {jax.__version__} on {jax.devices()[0].device_kind}"
    else:
        import torch

        found["version"] = f"torch {torch.__version__}"
    Path(result).write_text(json.dumps(found))


def lowest(run: dict, evaluations: int | None = None, seconds: float | None = None) -> float:
    """The lowest loss among the first evaluations, or among those that ended in time."""
    losses = (
        run["losses"][:evaluations]
        if seconds is None
        else [x for x, t in zip(run["losses"], run["seconds"], strict=True) if t <= seconds]
    )
    return min(losses)


def each(run: dict) -> float:
    return float(np.median(np.diff(run["seconds"])))


def measured(method: str, size: int, count: int, run: Callable[[str, str], dict]) -> tuple[dict, str]:
    """One row of the table, and the versions that made it."""
    mine = run("ours", method)
    others = {name: run("theirs", name) for name in EVALUATIONS if name.startswith(method)}
    best = min(others.values(), key=lambda r: min(r["losses"]))
    end = best["seconds"][-1]
    row = {
        "task": f"style_{method}",
        "size": size,
        "ours_s": each(mine),
        "torch_s": each(best),
        "compile_s": mine["compile_s"],
        "ours_peak_mb": mine["peak_mb"],
        "torch_peak_mb": best["peak_mb"],
        "ours_loss": lowest(mine, count),
        "torch_losses": {name: round(lowest(other, count), 5) for name, other in others.items()},
        "ratio_evaluations": lowest(mine, count) / lowest(best, count),
        "ratio_seconds": lowest(mine, seconds=end) / lowest(best, seconds=end),
        "ratio_seconds_with_compiling": lowest(mine, seconds=end - mine["compile_s"]) / lowest(best, seconds=end),
    }
    return row, f"{mine['version']}, {best['version']}, {platform.platform()}"


def said(row: dict) -> str:
    return (
        f"{row['task']} {row['size']} px: {row['ours_s']:.3f} s an evaluation, PyTorch {row['torch_s']:.3f} s; "
        f"compiled in {row['compile_s']:.1f} s; peak {row['ours_peak_mb']:.0f} MB, PyTorch {row['torch_peak_mb']:.0f} MB; "
        f"lowest loss {row['ours_loss']:.5f}, PyTorch {row['torch_losses']}; ratio {row['ratio_evaluations']:.3f} at equal "
        f"evaluations, {row['ratio_seconds']:.3f} at equal seconds ({row['ratio_seconds_with_compiling']:.3f} with compiling)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--torch_python", default=sys.executable)
    parser.add_argument("--only", choices=("lbfgs", "adam"))
    parser.add_argument("--evaluations", type=int, help="instead of 100 and 300")
    parser.add_argument("--json")
    parser.add_argument("--side", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        side(*args.side)
        return
    rows, versions = [], ""
    with tempfile.TemporaryDirectory() as folder:
        inputs = pictures(args.size, Path(folder))

        def run(which: str, method: str) -> dict:
            result = Path(folder) / "result.json"
            python = sys.executable if which == "ours" else args.torch_python
            count = str(args.evaluations or EVALUATIONS[method])
            subprocess.run([python, __file__, "--side", which, method, count, str(inputs), str(result)], check=True)
            return json.loads(result.read_text())

        for method in [args.only] if args.only else ["lbfgs", "adam"]:
            for _ in range(args.rounds):
                row, versions = measured(method, args.size, args.evaluations or EVALUATIONS[method], run)
                rows.append(row)
                print(said(row), flush=True)
    print(versions)
    if args.json:
        Path(args.json).write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()

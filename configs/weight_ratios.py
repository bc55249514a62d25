"""How much style for how much content: ratios 1, 1e3, 1e6 and 1e9.

Command:  imgtrans visualize weight_ratios --content=photo.jpg --style=painting.jpg
          --out=grid.png
Turn:     --config.ratios=1e2,1e4,1e6  --config.steps=300  --config.side_by_side=false
Expected: a labelled grid and a table of both weighted losses after 100 evaluations.
"""

from imgtrans_jax.style.experiments import WeightRatios


def get_config() -> WeightRatios:
    return WeightRatios()

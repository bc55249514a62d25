"""The nine patches that excite a unit most, layer by layer.

Paper:    Zeiler and Fergus 2014, figure 2.
Command:  imgtrans visualize top_patches --content=folder_of_pictures --out=grid.png
Turn:     --config.units=10 more, --config.layers=relu3_1,pool4 others. Small pictures show little
          of the deep layers.
Expected: edges and colours in the first row, textures in the middle, parts of things in the last;
fields exact to the pixel.
"""

from imgtrans_jax.style.top_patches import TopPatches


def get_config() -> TopPatches:
    return TopPatches()

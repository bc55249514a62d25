"""A picture dreams: what a layer of the network sees in it is drawn into it.

Source:   Mordvintsev, Olah and Tyka 2015, "Inceptionism"; the ascent over octaves of their
          published code.
Command:  imgtrans dream photo.jpg --out=dream.png
          with --style=guide.jpg the features of another picture are drawn into it
Turn:     --config.layer=relu3_3 patterns, relu5_3 creatures;  --config.channel=42 one filter alone;
          --config.steps=40 stronger;  --config.octaves=8 from larger forms.
Expected: eyes, fur and arches where the picture suggests them; relu4_4 of VGG-19, or relu4_3 of the
embedded VGG-16.
"""

from imgtrans_jax.style.deepdream import DeepDream


def get_config() -> DeepDream:
    return DeepDream()

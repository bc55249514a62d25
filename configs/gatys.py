"""A photograph in the look of a painting.

Paper:    Gatys, Ecker and Bethge 2016 (CVPR), "Image style transfer using convolutional neural
          networks", with a style loss of means and covariances (Olkin and Pukelsheim 1982), a
          Laplacian term (Li et al. 2017), sizes from coarse to fine, losses relative to the
          targets' own power, and a content that is given the style's colours before.
Command:  imgtrans transfer photo.jpg painting.jpg --out=out.png
Turn:     --quality=draft for a look, best for patience; --config.content_weight=0.1 more style, 0.6
          more photograph; --config.style_scale=1.5 larger strokes, 0.7 smaller;
          --config.laplacian_weight=1 keeps lines; --config.colors=content or luminance keeps the
          photograph's colours, clean has no specks of any;  --config.tv_weight=3 smoother;
          --config.layer_weights=by_depth finer texture, less form; --config.weights=vgg19 or a
          file: another network.
Expected: a picture of the photograph's size; losses of Gram matrices relative to the style's own
          fall 15-fold or more.
"""

from imgtrans_jax.style.gatys import Gatys


def get_config() -> Gatys:
    return Gatys()

"""The use of one trained model, without a config: the likelihood of images, new images, completions.

Called by users, as `pixelcnn.load`, and by the commands `score`, `sample` and `complete`.
"""

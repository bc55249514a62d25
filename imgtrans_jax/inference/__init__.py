"""What a trained generator is used for: loaded, applied to pictures of any size, written in other
forms.
"""

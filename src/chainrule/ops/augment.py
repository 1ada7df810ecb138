"""Augmentation: pictures changed at random in training. What is drawn is a function of a seed and the sample's place, as in ops/random.py."""

from ..operation.op import later

crop_places = later("""
crop_places(x[n,*A,H,W], seed: int; h=1, w=1) -> row[n,h], column[n,w]
    row[n,i:h] = i + floor(uniform(seed, n, 10) * (H - h + 1))
    column[n,j:w] = j + floor(uniform(seed, n, 11) * (W - w + 1))
""")
crop_places.doc = """Rows and columns of a part of h x w of each picture, drawn anew for each sample: the first half of torchvision's RandomCrop, of
which ops.pixels_at is the second."""

pixels_at = later("""
pixels_at(x[n,*A,H,W], row[n,K]: int, column[n,L]: int) -> y[n,*A,K,L]
    y[n,*a,i,j] = x[n,*a,row[n,i],column[n,j]]
""")
pixels_at.doc = """Rows and columns of pictures by their numbers, for each sample others: NumPy's x[..., row, :][..., column]."""

random_flip = later("""
random_flip(x[n,*A,W], seed: int; p=0.5) -> y[n,*A,W]
    y[n,*a,j] = where(uniform(seed, n, 12) < p, x[n,*a,W-1-j], x[n,*a,j])
""")
random_flip.doc = """With probability p the last axis backwards, all of a sample together (torchvision's RandomHorizontalFlip)."""

random_flip_rows = later("""
random_flip_rows(x[n,*A,H,W], seed: int; p=0.5) -> y[n,*A,H,W]
    y[n,*a,i,j] = where(uniform(seed, n, 13) < p, x[n,*a,H-1-i,j], x[n,*a,i,j])
""")
random_flip_rows.doc = """With probability p the last axis but one backwards, all of a sample together (torchvision's RandomVerticalFlip)."""

random_erase = later("""
random_erase(x[n,*A,H,W], seed: int; p=0.5, least=0.02, most=0.33, narrow=0.3, wide=3.3, value=0.0) -> y[n,*A,H,W]
    area[n:n] = H * W * (least + (most - least) * uniform(seed, n, 15))
    ratio[n:n] = narrow * (wide / narrow)**uniform(seed, n, 16)
    rows[n] = minimum(round(sqrt(area[n] * ratio[n])), H)
    columns[n] = minimum(round(sqrt(area[n] / ratio[n])), W)
    top[n] = floor(uniform(seed, n, 17) * (H - rows[n] + 1))
    left[n] = floor(uniform(seed, n, 18) * (W - columns[n] + 1))
    inside[n,i:H,j:W] = (i >= top[n]) * (i < top[n] + rows[n]) * (j >= left[n]) * (j < left[n] + columns[n])
    y[n,*a,i,j] = where((uniform(seed, n, 14) < p) * inside[n,i,j] > 0, value, x[n,*a,i,j])
""")
random_erase.doc = """With probability p a rectangle becomes a value: its area from `least` to `most` of the picture's, its height over its width from
`narrow` to `wide`, evenly by their logarithm. One that is larger than the picture is cut (torchvision's RandomErasing draws again).
Source: Zhong et al., 2020."""

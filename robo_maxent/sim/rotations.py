"""Rotations of many vectors at once, by unit quaternions w x y z.

Products are spelled out: ``numpy.cross`` is slow on few rows, and products of matrices round one
row otherwise than many.
"""

import numpy as np


def yaw(orientation: np.ndarray) -> np.ndarray:
    """Heading in the world frame, rad, (N,), of base orientations, (N, 4)."""
    w, x, y, z = orientation.T
    return np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def to_base(orientation: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """World frame to base frame, (N, 3), of base orientations, (N, 4)."""
    w, x, y, z = orientation.T
    a, b, c = vectors.T
    # v - w t + q x t with t = 2 q x v.
    p, q, r = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    rotated = (
        (a - w * p) + (y * r - z * q),
        (b - w * q) + (z * p - x * r),
        (c - w * r) + (x * q - y * p),
    )
    return np.stack(rotated, axis=1)


def from_heading(
    heading: np.ndarray, vectors: np.ndarray, origin: np.ndarray | None = None
) -> np.ndarray:
    """Heading frame to world frame, (N, P, 2 or 3), of headings in rad, (N,).

    Args:
        heading: Counter-clockwise from the world's x.
        vectors: Forward, leftward and, if there are three, upward; (N, P, 2 or 3), or (P, 2 or 3)
            where they are the same for all.
        origin: Where the heading frame stands in the world, to turn points rather than vectors,
            (N, 2), or (N, P, 2) where each point has its own.
    """
    cosine, sine = np.cos(heading)[:, None], np.sin(heading)[:, None]
    forward, left, *up = np.moveaxis(vectors, -1, 0)
    x, y = cosine * forward, sine * forward
    if origin is not None:
        place = origin[:, None] if origin.ndim == 2 else origin  # (N, 1 or P, 2)
        x, y = place[..., 0] + x, place[..., 1] + y
    x, y = x - sine * left, y + cosine * left
    return np.stack([x, y, *(np.broadcast_to(height, x.shape) for height in up)], axis=-1)


def product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Quaternions of turning by ``second``, then by ``first``, (N, 4) each."""
    a, b, c, d = first.T
    w, x, y, z = second.T
    return np.stack(
        [
            (a * w - b * x) - (c * y + d * z),
            (a * x + b * w) + (c * z - d * y),
            (a * y + c * w) + (d * x - b * z),
            (a * z + d * w) + (b * y - c * x),
        ],
        axis=1,
    )


def turned(orientation: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors, (N, 3), turned by orientations, (N, 4): body frame to world frame."""
    return to_base(orientation * np.array([1.0, -1.0, -1.0, -1.0]), vectors)


def axes(orientation: np.ndarray) -> np.ndarray:
    """The first two axes of a body in the world frame, one after the other, (N, 6).

    They say how it is turned without a jump anywhere.
    """
    w, x, y, z = orientation.T
    first = [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)]
    second = [2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)]
    return np.stack(first + second, axis=1)

"""Studies on many machines for phantom_core: the executor `ray`."""

from phantom_ray.ray_executor import RayExecutor

__all__ = ["RayExecutor"]

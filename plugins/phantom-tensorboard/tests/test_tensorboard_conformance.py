from phantom_core.testing import LoggerConformance


class TestTensorboard(LoggerConformance):
    name = "tensorboard"

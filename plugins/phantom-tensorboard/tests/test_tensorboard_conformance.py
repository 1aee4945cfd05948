from phantom_testing import LoggerConformance


class TestTensorboard(LoggerConformance):
    name = "tensorboard"

from phantom_core.testing import LoggerConformance


class TestConsole(LoggerConformance):
    name = "console"

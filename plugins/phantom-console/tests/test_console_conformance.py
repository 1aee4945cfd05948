from phantom_testing import LoggerConformance


class TestConsole(LoggerConformance):
    name = "console"

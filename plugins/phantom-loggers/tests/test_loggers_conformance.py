from phantom_testing import LoggerConformance


class TestCsv(LoggerConformance):
    name = "csv"


class TestEarlyStopping(LoggerConformance):
    kind = "hook"
    name = "early-stopping"

"""A Promela model, explored completely by spin as a test (skipped by name where spin is missing)."""

def hz_model_test(name, model, holds, fails = [], size = "medium"):
    """One test for each variation of a model, and a suite NAME of them all.

    Args:
      name: of the suite; the tests are NAME_holds_1 ... and NAME_finds_1 ...
      model: the .pml file.
      holds: lists of -D options under which the model must hold.
      fails: lists of -D options (mutants) under which a fault must be found.
      size: of each test.
    """
    tests = []
    for expected, word, variations in [("holds", "holds", holds), ("fails", "finds", fails)]:
        for i, options in enumerate(variations):
            test = "%s_%s_%d" % (name, word, i + 1)
            tests.append(test)
            native.sh_test(
                name = test,
                size = size,
                srcs = ["//common/sync/model:model.sh"],
                args = ["$(location %s)" % model, expected] + options,
                data = [model],
            )
    native.test_suite(name = name, tests = tests)

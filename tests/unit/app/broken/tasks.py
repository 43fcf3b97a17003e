import no_such_module_anywhere  # noqa: F401 - the failure is the point

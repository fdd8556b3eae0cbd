"""Every public operation, interrupted everywhere: `operations` has the table, tests.support.interruption the driver."""

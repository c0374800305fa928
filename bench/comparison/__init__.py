# SPDX-License-Identifier: Apache-2.0
"""The comparison with other engines, in the order of its work: peers.py brings and builds them, engines.py says how each
is asked, measurements.py what is asked, budgets.py the same inside memory cgroups; figures.py makes numbers of answers,
report.py and chart.py show them. Python's standard library alone."""

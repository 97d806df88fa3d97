"""Grades lab notebooks against hidden pytest suites, with the student's code in a sandbox.

A reading order, from what an author writes to what a class gets:

- a hidden suite: `suite`, `labfile`, `expect`, `plugin`, `collected`, `outcomes`, `report`;
- the wire, with a student's code at its far end: `wire`, `values`, `remote`, `session`, `question`,
  `gradients`;
- that far end, which runs inside the sandbox: `zygote`, `confine`, `forbid`, `worker`,
  `cells`, `magics`, `output`;
- the walls: `sandbox`, `limits`, `doctor`;
- one submission: `untrusted`, `notebook`, `judge`, `engine`, `errors`, `diagnosis`;
- a class: `batch`, `runners`, `store`, `storage`, `leftovers`, `changes`;
- nbgrader, the system of record: `course`, `release`, `gradebook`, `recording`, `database`,
  `quiet`, `late`, `exchange`, `export`, `formgrader`;
- what people read: `inert`, `display`, `pages`, `feedback`, `ungraded`, `dashboard`;
- tools for authors: `scaffold`, `validate`, `consistency`, `reproduce`, `shell`, `samples`;
- the commands: `cli`, `results`, `console`, `tables`.
"""

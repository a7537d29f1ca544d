"""What a build will do, decided before it begins: from a spec and a profile of its source to strata and their targets.

`planning` makes the plan; `balance` and `boxes` are its arithmetic, `features` says what a model sees, `registry` finds
generators and validators, `libraries`, `outside` and `machine` are what else decides rows; `guard` holds a spec against
a policy, `propose` writes one, `estimate` says how long it will take.
"""

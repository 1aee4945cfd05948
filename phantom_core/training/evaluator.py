"""When a run evaluates its policies, and what it does with the result."""

from __future__ import annotations

import numpy as np

from phantom_core.hooks.events import EvaluationEnd
from phantom_core.rollouts.evaluate import Evaluation, evaluate
from phantom_core.seeding import derive_seed
from phantom_core.training.run import Run
from phantom_core.training.run_request import EvaluationPlan
from phantom_core.training.train_loop import TrainingSetup


class Evaluator:
    """Evaluates the policies of a run when its plan says so, in an env of its own."""

    def __init__(self, run: Run, setup: TrainingSetup, plan: EvaluationPlan) -> None:
        self._run = run
        self._setup = setup
        self._plan = plan
        self._latest: tuple[int, Evaluation] | None = None

    def after_iteration(self) -> dict[str, float]:
        """Evaluate if it is time to; return what to log."""
        every = self._plan.every
        is_due = every is not None and self._run.iterations % every == 0
        is_wanted = self._run.is_wanted("should_evaluate")  # asked in each iteration, whatever the plan says
        return self._evaluate() if is_due or is_wanted else {}

    def at_end(self) -> Evaluation | None:
        """Return the evaluation of the final policies, and log it if it was not made before."""
        run = self._run
        if not run.policy_by_agent:
            return None  # a trainer with a train() of its own that does not say who uses which policy
        if self._latest is None or self._latest[0] != run.iterations:
            run.log(self._evaluate())
            values = run.flush(run.iteration)
            if run.history:
                run.history[-1].update(values)
        return None if self._latest is None else self._latest[1]

    def _evaluate(self) -> dict[str, float]:
        run, plan = self._run, self._plan
        env = self._setup.make_env()
        try:
            evaluation = evaluate(
                env,
                run.policies,
                run.policy_by_agent,
                num_episodes=plan.episodes,
                seed=derive_seed(run.seed, "evaluation") if plan.seed is None else plan.seed,
                policy_ids=run.policies_to_train,
                specs=run.policy_specs,
                metrics=self._setup.metrics,
            )
        finally:
            env.close()
        self._latest = (run.iterations, evaluation)
        event = EvaluationEnd(
            iteration=run.iteration,
            env_steps=run.env_steps,
            mean_return=evaluation.mean_return,
            episode_returns=evaluation.episode_returns,
            metrics=evaluation.metrics,
        )
        run.dispatcher.fire("on_evaluation_end", event)
        values = {
            f"eval/{name}": float(np.mean(np.concatenate([np.ravel(v) for v in found])))
            for name, found in evaluation.metrics.items()
        }
        return {"eval/mean_return": evaluation.mean_return, **values}

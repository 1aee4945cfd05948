"""`Evaluator`: evaluates the policies during and after a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.events import EvaluationEnd
from phantom_core.metrics import Metric
from phantom_core.metrics.logged_numbers import mean_of
from phantom_core.rollouts.evaluate import Evaluation, evaluate
from phantom_core.seeding import derive_seed
from phantom_core.training.run_plans import EvaluationPlan
from phantom_core.training.run_state import RunFacts, RunState


class Evaluator:
    """Evaluates the policies of a run in a separate env, when the plan or a plugin asks for it."""

    def __init__(
        self,
        facts: RunFacts,
        state: RunState,
        dispatcher: Dispatcher,
        plan: EvaluationPlan,
        make_env: Callable[[], MultiAgentEnv],
        metrics: Mapping[str, Metric],
    ) -> None:
        self._facts = facts
        self._state = state
        self._dispatcher = dispatcher
        self._plan = plan
        self._make_env = make_env
        self._metrics = metrics
        self._latest: tuple[int, Evaluation] | None = None

    def after_iteration(self, *, is_wanted: bool) -> dict[str, float]:
        """Evaluate if an evaluation is due or requested; return the values to log."""
        every = self._plan.every
        is_due = every is not None and self._state.iterations % every == 0
        return self._evaluate() if is_due or is_wanted else {}

    def at_end(self) -> tuple[Evaluation | None, dict[str, float]]:
        """Return the evaluation of the final policies, and the values to log if it was not run before."""
        if not self._state.policy_by_agent:
            return None, {}  # a trainer that overrides train() and sets no policy mapping
        values: dict[str, float] = {}
        if self._latest is None or self._latest[0] != self._state.iterations:
            values = self._evaluate()
        return None if self._latest is None else self._latest[1], values

    def _evaluate(self) -> dict[str, float]:
        state, plan = self._state, self._plan
        env = self._make_env()
        try:
            evaluation = evaluate(
                env,
                state.policies,
                state.policy_by_agent,
                num_episodes=plan.episodes,
                seed=derive_seed(self._facts.seed, "evaluation") if plan.seed is None else plan.seed,
                policy_ids=state.policies_to_train,
                specs=state.policy_specs,
                metrics=self._metrics,
            )
        finally:
            env.close()
        self._latest = (state.iterations, evaluation)
        event = EvaluationEnd(
            iteration=state.iteration,
            env_steps=state.env_steps,
            mean_return=evaluation.mean_return,
            episode_returns=evaluation.episode_returns,
            metrics=evaluation.metrics,
        )
        self._dispatcher.fire("on_evaluation_end", event)
        values = {f"eval/{name}": mean_of(found) for name, found in evaluation.metrics.items()}
        return {"eval/mean_return": evaluation.mean_return, **values}

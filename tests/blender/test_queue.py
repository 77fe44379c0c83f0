# SPDX-License-Identifier: GPL-3.0-or-later
"""Many jobs at once: their list, its buttons, variants, and what becomes of their results."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.blender.held_worker import BAD_SEED
from tests.blender.test_generate import is_idle, poll_until
from tests.blender.test_panels import Layout, make_context

ONE_PROCESS = True
HELD = "-m tests.blender.held_worker"


@pytest.fixture
def held(bpy, addon, use_worker, picture):
    """Jobs of a worker that ends them when told: `let_go(n)` for the first n."""
    use_worker(HELD)
    bpy.context.scene.maquette.image = picture
    now = addon.session.current()

    def let_go(number):
        addon.job_folder.mkdir(exist_ok=True)
        (addon.job_folder / "fresh").write_text(str(number))
        (addon.job_folder / "fresh").replace(addon.job_folder / "go")

    def generate(seed=0):
        bpy.context.scene.maquette.seed = seed
        assert bpy.ops.maquette.generate(wait=False) == {"FINISHED"}
        return addon.session.current().jobs.entries[-1].job_id

    def until(*states):
        jobs = addon.session.current().jobs
        poll_until(addon, lambda: tuple(entry.state for entry in jobs.entries) == states)

    def started():
        return (addon.job_folder / "started").read_text().split()

    def finish(number=99):
        let_go(number)
        poll_until(addon, is_idle(addon))

    return SimpleNamespace(**locals())


@pytest.fixture
def layout(bpy, addon):
    """Draws a panel by name."""

    def draw(name):
        drawn = Layout(bpy)
        panel = getattr(bpy.types, f"MAQUETTE_PT_{name}")
        panel.draw(SimpleNamespace(layout=drawn), make_context(bpy))
        return drawn

    return draw


def test_generate_can_be_pressed_again_and_jobs_run_one_after_the_other(bpy, held):
    ids = [held.generate(seed) for seed in (1, 2, 3)]
    held.until("running", "waiting", "waiting")
    held.let_go(1)
    held.until("done", "running", "waiting")
    assert len(bpy.data.objects) == 1
    held.finish()
    assert held.started() == ids
    assert sorted(obj.maquette.seed for obj in bpy.data.objects) == [1, 2, 3]


def test_list_in_the_sidebar_follows_the_jobs_and_keeps_the_chosen_one(bpy, addon, held):
    ids = [held.generate() for _ in range(3)]
    shown = bpy.context.window_manager.maquette
    assert [row.name for row in shown.jobs] == ids
    shown.active_job = 2
    bpy.ops.maquette.move_job(job_id=ids[2], direction="UP")
    assert [row.name for row in shown.jobs] == [ids[0], ids[2], ids[1]] and shown.active_job == 1
    held.finish()
    bpy.ops.maquette.remove_job(job_id=ids[2])
    assert [row.name for row in shown.jobs] == [ids[0], ids[1]]
    bpy.ops.maquette.clear_jobs()
    assert len(shown.jobs) == 0 == shown.active_job


def test_waiting_jobs_run_in_the_order_they_were_moved_to(bpy, held):
    ids = [held.generate() for _ in range(4)]
    held.until("running", "waiting", "waiting", "waiting")
    bpy.ops.maquette.move_job(job_id=ids[3], direction="UP")
    bpy.ops.maquette.move_job(job_id=ids[1], direction="DOWN")
    with pytest.raises(RuntimeError, match="Only waiting jobs"):
        bpy.ops.maquette.move_job(job_id=ids[0], direction="DOWN")
    held.finish()
    assert held.started() == [ids[0], ids[3], ids[1], ids[2]]


def test_each_job_is_cancelled_alone(bpy, held):
    ids = [held.generate(seed) for seed in (1, 2, 3)]
    held.until("running", "waiting", "waiting")
    bpy.ops.maquette.cancel(job_id=ids[1])
    bpy.ops.maquette.cancel(job_id=ids[0])
    held.until("cancelled", "cancelled", "running")
    held.finish()
    assert [obj.maquette.seed for obj in bpy.data.objects] == [3]
    assert held.now.status.error == ""


def test_cancel_all_stops_everything_and_the_worker_lives_on(bpy, held):
    for seed in (1, 2, 3):
        held.generate(seed)
    held.until("running", "waiting", "waiting")
    worker = held.now.jobs._queue._worker
    bpy.ops.maquette.cancel()
    held.until("cancelled", "cancelled", "cancelled")
    assert not held.now.is_running and not bpy.data.objects and worker.is_running


def test_failed_job_says_why_and_can_be_tried_again_while_others_run(bpy, held):
    bad, good = held.generate(BAD_SEED), held.generate(5)
    held.let_go(1)
    held.until("failed", "running")
    assert held.now.status.error == "This seed is bad."
    assert held.now.jobs.find(bad).trouble.hint == "Take another one."
    bpy.ops.maquette.retry_job(job_id=bad)
    assert [entry.state for entry in held.now.jobs.entries] == ["running", "waiting"]
    again = held.now.jobs.entries[1]
    assert again.job.request.settings["seed"] == BAD_SEED and again.job_id not in (bad, good)
    with pytest.raises(RuntimeError, match="not ended"):
        bpy.ops.maquette.retry_job(job_id=good)
    held.finish()
    assert [entry.state for entry in held.now.jobs.entries] == ["done", "failed"]


def test_cancelled_job_can_be_tried_again(bpy, held):
    job = held.generate(4)
    held.until("running")
    bpy.ops.maquette.cancel(job_id=job)
    held.until("cancelled")
    bpy.ops.maquette.retry_job(job_id=job)
    held.finish()
    assert [obj.maquette.seed for obj in bpy.data.objects] == [4]


def test_a_new_job_clears_the_message_of_a_former_one(bpy, held):
    held.generate(BAD_SEED)
    held.finish(1)
    assert held.now.status.error
    held.generate(1)
    assert held.now.status.error == ""
    held.finish()


def test_list_shows_progress_and_buttons_that_fit_the_state(bpy, addon, held, layout):
    ids = [held.generate(seed) for seed in (1, BAD_SEED, 2, 3)]
    held.let_go(1)
    held.until("done", "running", "waiting", "waiting")
    poll_until(addon, lambda: held.now.jobs.entries[1].fraction)
    drawn = layout("jobs")
    assert drawn.factors == [0.25]
    assert "9 s left" in drawn.words
    assert "Sampling the shape, 9 s left (2 more)" in layout("queue").words
    rows = ["remove_job", "cancel", "cancel", "cancel"]
    side = ["move_job", "move_job", "clear_jobs", "cancel"]
    assert drawn.operators == [f"maquette.{name}" for name in (*rows, *side)]
    assert [made.job_id for made in drawn.made[:4]] == ids
    held.let_go(2)
    held.until("done", "failed", "running", "waiting")
    bpy.context.window_manager.maquette.active_job = 1
    drawn = layout("jobs")
    assert "This seed is bad." in drawn.words
    assert drawn.operators[1:3] == ["maquette.retry_job", "maquette.remove_job"]
    held.finish()


def test_variants_have_consecutive_seeds_and_stand_in_a_grid_on_the_ground(bpy, held):
    scene = bpy.context.scene
    scene.maquette.variants, scene.maquette.size_m = 5, 2.0
    scene.cursor.location = (1.0, 2.0, 0.5)
    held.generate(7)
    assert len({entry.job.request.images[0] for entry in held.now.jobs.entries}) == 1
    held.finish()
    made = {obj.maquette.seed: tuple(obj.location) for obj in bpy.data.objects}
    step = 1.25 * 2.0
    places = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    assert made == {
        7 + i: (1.0 + column * step, 2.0 + row * step, 0.5)
        for i, (column, row) in enumerate(places)
    }
    lowest = [min(v.co.z for v in obj.data.vertices) for obj in bpy.data.objects]
    assert lowest == pytest.approx([0.0] * 5, abs=1e-6)


def test_variants_keep_clear_of_each_other(bpy, held):
    scene = bpy.context.scene
    scene.maquette.variants = 16
    held.generate(2**31 - 3)
    held.finish()
    places = [obj.location for obj in bpy.data.objects]
    gaps = [math.dist(a, b) for i, a in enumerate(places) for b in places[:i]]
    assert len(places) == 16 and min(gaps) == pytest.approx(1.25)
    seeds = {obj.maquette.seed for obj in bpy.data.objects}
    assert seeds == {2**31 - 3, 2**31 - 2, 2**31 - 1, *range(13)}


def test_finished_results_are_recorded_with_files_recipe_and_objects(bpy, addon, held):
    job = held.generate(9)
    held.finish()
    (record,) = held.now.finished
    assert (record.job_id, record.kind, record.name) == (job, "generate", "red disc")
    assert record.object_names == ("red disc",) and record.is_placed
    assert record.recipe["seed"] == 9 and record.recipe["model"] == "maquette-mini"
    assert record.folder == addon.job_folder / job
    assert record.mesh_path.is_file() and record.picture_path.is_file()


def test_record_outlives_the_list_and_is_bounded(bpy, addon, held):
    from importlib import import_module

    jobs = import_module(f"{addon.session.__package__}.session_jobs")
    held.generate()
    held.finish()
    bpy.ops.maquette.clear_jobs()
    first = held.now.finished[0]
    assert held.now.jobs.entries == [] and first.is_placed
    held.now.finished = [first] * jobs.MAX_FINISHED
    held.generate()
    held.finish()
    assert len(held.now.finished) == jobs.MAX_FINISHED and held.now.finished[-1] is not first


def test_status_bar_tells_the_end_of_each_job_for_some_seconds(bpy, addon, held, monkeypatch):
    lines, sent = [], []
    from importlib import import_module

    announce = import_module(f"{addon.session.__package__}.announce")
    monkeypatch.setattr(announce, "_write_status_bars", lines.append)
    monkeypatch.setattr(announce, "SHOWN_S", 0.0)
    monkeypatch.setattr(announce.Notifier, "show", lambda _, *words: sent.append(words))
    held.generate(1)
    held.generate(BAD_SEED)
    held.finish()
    held.now.poll()
    told = [line for line in lines if line]
    assert told == [
        "Maquette: 'red disc' is ready after 0 s",
        "Maquette: 'red disc' failed: This seed is bad.",
    ]
    assert lines[-1] is None and not held.now.announcer.is_showing and sent == []
    addon.preferences.notify = True
    held.generate(2)
    held.finish()
    assert sent == [("Maquette", "'red disc' is ready after 0 s")]
    addon.preferences.notify = False


def test_two_results_are_two_undo_steps(bpy, held):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    for seed in (1, 2):
        held.generate(seed)
    held.finish()
    bpy.ops.ed.undo()
    assert [obj.maquette.seed for obj in bpy.data.objects] == [1]
    bpy.ops.ed.undo()
    assert not bpy.data.objects
    assert [entry.state for entry in held.now.jobs.entries] == ["done", "done"]


def test_jobs_go_on_while_results_wait_for_object_mode(bpy, addon, held):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    for seed in (1, 2):
        held.generate(seed)
    held.let_go(2)
    held.until("placing", "placing")
    assert held.now.is_running and [obj.name for obj in bpy.data.objects] == ["Cube"]
    bpy.ops.object.mode_set(mode="OBJECT")
    poll_until(addon, is_idle(addon))
    assert len(bpy.data.objects) == 3


def test_a_call_of_the_timer_places_one_result_at_most(bpy, addon, held):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    for _ in range(3):
        held.generate()
    held.let_go(3)
    held.until("placing", "placing", "placing")
    bpy.ops.object.mode_set(mode="OBJECT")
    counts = []
    for _ in range(3):
        addon.handlers.poll_session()
        counts.append(len(bpy.data.objects))
    assert counts == [2, 3, 4]


def test_files_of_a_removed_job_stay(bpy, held):
    job = held.generate()
    held.finish()
    folder = Path(held.now.jobs.find(job).job.request.job_folder)
    bpy.ops.maquette.remove_job(job_id=job)
    assert (folder / "mesh.npz").is_file()


def test_buttons_of_the_list_say_why_they_are_grey(bpy, held):
    with pytest.raises(RuntimeError, match="No job is running"):
        bpy.ops.maquette.cancel()
    with pytest.raises(RuntimeError, match="No job is waiting"):
        bpy.ops.maquette.move_job()
    with pytest.raises(RuntimeError, match="no unfinished jobs"):
        bpy.ops.maquette.queue_again()
    with pytest.raises(RuntimeError, match="not in the list any more"):
        bpy.ops.maquette.retry_job(job_id="gone")

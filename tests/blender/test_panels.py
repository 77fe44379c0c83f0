# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels draw, with a layout that writes down instead of drawing."""

import time
from types import SimpleNamespace

import pytest

from tests.blender.test_extension import PANELS
from tests.blender.test_texture import PAINTER

ONE_PROCESS = True
NARROW_PX, WIDE_PX = 180, 500


class Layout:
    """Takes every call of a layout and keeps the words that an artist would read."""

    def __init__(self, bpy):
        self._bpy = bpy
        self.words, self.operators, self.properties, self.factors = [], [], [], []
        self.made, self.menus = [], []

    def _part(self, **_):
        return self

    row = column = box = split = _part

    def separator(self, **_):
        pass

    def _check_icon(self, icon):
        function = self._bpy.types.UILayout.bl_rna.functions["label"]
        assert icon in function.parameters["icon"].enum_items, icon

    def label(self, text="", icon="NONE", icon_value=0, translate=True):
        self._check_icon(icon)
        self.words.append(text)

    def prop(self, data, name, text=None, icon="NONE", emboss=True):
        self._check_icon(icon)
        assert name in data.bl_rna.properties, name
        self.properties.append(name)

    def template_ID(self, data, name, **operators):  # noqa: N802
        assert name in data.bl_rna.properties, name
        self.properties.append(name)

    def template_ID_preview(self, data, name, rows=0, cols=0, **operators):  # noqa: N802
        self.template_ID(data, name, **operators)

    def prop_search(self, data, name, source, collection, **_):
        assert hasattr(source, collection)
        self.prop(data, name)

    def menu(self, name, text=None, icon="NONE"):
        self._check_icon(icon)
        assert hasattr(self._bpy.types, name), name
        self.menus.append(name)

    def operator_menu_enum(self, name, items, text=None, icon="NONE"):
        made = self.operator(name, icon=icon)
        group, _, operator = name.partition(".")
        kind = getattr(getattr(self._bpy.ops, group), operator).get_rna_type()
        assert items in kind.properties
        return made

    def template_icon(self, icon_value, scale=1.0):
        assert icon_value >= 0  # background Blender draws no icons

    def menu_contents(self, name):
        menu = getattr(self._bpy.types, name)
        menu.draw(SimpleNamespace(layout=self), make_context(self._bpy))

    def progress(self, factor, text):
        self.factors.append(factor)
        self.words.append(text)

    def template_list(self, kind, _name, data, name, active_data, active_name, rows=5):
        assert isinstance(getattr(active_data, active_name), int)
        for item in getattr(data, name):
            getattr(self._bpy.types, kind).draw_item(
                None, SimpleNamespace(), self, data, item, 0, active_data, active_name
            )

    def operator(self, name, text=None, icon="NONE", emboss=True, translate=True):
        self._check_icon(icon)
        group, _, operator = name.partition(".")
        getattr(getattr(self._bpy.ops, group), operator).get_rna_type()
        self.operators.append(name)
        self.made.append(SimpleNamespace())
        return self.made[-1]


def make_context(bpy, width_px=WIDE_PX):
    """What panels ask of the context, which has no region here."""
    return SimpleNamespace(
        scene=bpy.context.scene,
        object=bpy.context.object,
        window_manager=bpy.context.window_manager,
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
        region=SimpleNamespace(width=width_px),
    )


@pytest.fixture
def draw(bpy, addon):
    """Draws a panel by name."""

    def run(name, width_px=WIDE_PX):
        layout = Layout(bpy)
        panel = getattr(bpy.types, f"MAQUETTE_PT_{name}")
        panel.draw(SimpleNamespace(layout=layout), make_context(bpy, width_px))
        return layout

    return run


def test_every_setting_is_in_one_panel(bpy, addon, draw):
    from backend.config import setting_names

    bpy.context.scene.maquette.retexture_mask = "image"
    shown = [name for panel in PANELS for name in draw(panel).properties]
    assert len(shown) == len(set(shown))
    own = {"image", "image_left", "image_back", "image_right", "size_m"}
    own |= {"variants", "retexture_atlas", "retexture_mask", "mask_image", "keep_colours"}
    assert set(shown) == own | set(setting_names())


@pytest.mark.parametrize("has_mesh", [False, True])
def test_mask_fields_are_shown_where_they_count(bpy, addon, draw, has_mesh):
    if has_mesh:
        bpy.ops.mesh.primitive_cube_add()
    settings = bpy.context.scene.maquette
    fields = {"mask_image": "image", "mask_attribute": "attribute"}
    for mask in ("all", "selection", "alpha", "image", "attribute"):
        settings.retexture_mask = mask
        shown = draw("retexture").properties
        assert {name for name in fields if name in shown} == {
            name for name, kind in fields.items() if kind == mask
        }


def test_painting_shows_its_stages_and_the_jobs_that_wait(bpy, addon, draw, use_worker, picture):
    use_worker(PAINTER)
    bpy.context.scene.maquette.image = picture
    for x in range(3):
        bpy.ops.mesh.primitive_cube_add(location=(4 * x, 0, 0))
    bpy.ops.object.select_all(action="SELECT")
    assert draw("queue").operators == ["maquette.generate"]
    assert bpy.ops.maquette.retexture(wait=False) == {"FINISHED"}
    now = addon.session.current()
    seen = []
    while now.is_running:
        layout = draw("queue")
        seen += layout.words
        assert layout.operators[:2] == ["maquette.generate", "maquette.cancel"]
        addon.handlers.poll_session()
        time.sleep(0.02)
    assert any(text.endswith("(2 more)") for text in seen)
    assert draw("queue").operators == ["maquette.generate", "maquette.clear_error"]
    assert {"unwrap", "delight", "render", "paint", "bake", "place"} <= set(addon.queue.STAGES)


def test_messages_are_wrapped_to_a_narrow_sidebar(bpy, addon, draw):
    text = "The UV map 'UVMap' of 'Cube' overlaps itself: the paint is on a new UV map."
    addon.session.current().status.notes = (text,)
    lines = draw("queue", NARROW_PX).words
    assert len(lines) > 2 and max(map(len, lines)) <= 24 and " ".join(lines) == text
    assert len(draw("queue", WIDE_PX).words) < len(lines)


def test_buttons_say_why_they_are_grey(bpy, addon, use_worker, picture):
    use_worker(PAINTER)
    with pytest.raises(RuntimeError, match="Choose a reference picture first"):
        bpy.ops.maquette.retexture()
    bpy.context.scene.maquette.image = picture
    with pytest.raises(RuntimeError, match="Select the mesh objects to paint"):
        bpy.ops.maquette.retexture()
    bpy.ops.mesh.primitive_cube_add()
    with pytest.raises(RuntimeError, match="Select an object that was painted"):
        bpy.ops.maquette.restore_material()
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(RuntimeError, match="Only in Object Mode"):
        bpy.ops.maquette.restore_material()
    for mask, words in (("image", "No mask picture is chosen"), ("attribute", "No attribute")):
        bpy.context.scene.maquette.retexture_mask = mask
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.maquette.retexture(wait=False)

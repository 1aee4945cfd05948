"""How the layer over phantom_core is made: nothing that programs import."""

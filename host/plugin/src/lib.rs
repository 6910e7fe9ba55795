//! What a plugin is and may do: manifest, capabilities, engine, limits, imports.

//! What `wit-bindgen` makes of `wit/`.
//!
//! One world imports every interface, so that each shared type exists once; the
//! worlds with exports are generated next to it and take their types from it.
//! Nothing here is named by authors: the modules of the crate re-export it.

#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "generated code"
)]

/// Every import of every world. `wit-component` drops those a plugin never calls.
pub(crate) mod imports {
    wit_bindgen::generate!({
        inline: "
            package catena:sdk;
            world imports {
                import catena:plugin/log@0.1.0;
                import catena:plugin/config@0.1.0;
                import catena:plugin/model@0.1.0;
                import catena:plugin/tools@0.1.0;
                import catena:plugin/workspace@0.1.0;
                import catena:plugin/process@0.1.0;
                import catena:plugin/reference@0.1.0;
                import catena:plugin/judging@0.1.0;
            }
        ",
        path: "../../wit",
        world: "catena:sdk/imports",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
    });
}

/// Generates the bindings of one world with an export, over the types of [`imports`].
macro_rules! export_world {
    ($module:ident, $world:literal, $export:literal, [$($interface:literal = $shared:ident),*]) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit",
                world: $world,
                with: { $($interface: crate::bindings::imports::catena::plugin::$shared),* },
                additional_derives: [PartialEq],
                pub_export_macro: true,
                export_macro_name: $export,
                default_bindings_module: "$crate",
            });
        }
    };
}

export_world!(
    scaffold_plugin,
    "catena:plugin/scaffold-plugin",
    "export_scaffold_plugin",
    [
        "catena:plugin/types@0.1.0" = types,
        "catena:plugin/log@0.1.0" = log,
        "catena:plugin/config@0.1.0" = config,
        "catena:plugin/model@0.1.0" = model,
        "catena:plugin/tools@0.1.0" = tools,
        "catena:plugin/workspace@0.1.0" = workspace,
        "catena:plugin/process@0.1.0" = process
    ]
);

export_world!(
    tool_plugin,
    "catena:plugin/tool-plugin",
    "export_tool_plugin",
    [
        "catena:plugin/types@0.1.0" = types,
        "catena:plugin/log@0.1.0" = log,
        "catena:plugin/config@0.1.0" = config,
        "catena:plugin/workspace@0.1.0" = workspace,
        "catena:plugin/process@0.1.0" = process
    ]
);

export_world!(
    judge_plugin,
    "catena:plugin/judge-plugin",
    "export_judge_plugin",
    [
        "catena:plugin/types@0.1.0" = types,
        "catena:plugin/log@0.1.0" = log,
        "catena:plugin/config@0.1.0" = config,
        "catena:plugin/model@0.1.0" = model,
        "catena:plugin/workspace@0.1.0" = workspace,
        "catena:plugin/process@0.1.0" = process,
        "catena:plugin/judging@0.1.0" = judging
    ]
);

export_world!(
    writer_plugin,
    "catena:plugin/writer-plugin",
    "export_writer_plugin",
    [
        "catena:plugin/types@0.1.0" = types,
        "catena:plugin/log@0.1.0" = log,
        "catena:plugin/config@0.1.0" = config,
        "catena:plugin/model@0.1.0" = model
    ]
);

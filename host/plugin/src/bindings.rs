//! Generated from `wit/`: the only place with `bindgen!`. One module per world
//! that exports something else; all of them share the imports of `control`. `http` is the
//! part of WASI that wasmtime's own crate does not serve.
//!
//! Each call of an import is told to `tracing` with its arguments and its result, as
//! those of WASI are, at the level `TRACE`. Where nobody listens that costs one look at a
//! number.

#![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated code")]

pub mod control {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "control-plugin",
        imports: { default: trappable | tracing | verbose_tracing },
        with: {
            "catena:plugin/model.conversation": crate::imports::model::ConversationHandle,
        },
        require_store_data_send: true,
    });
}

pub mod tool {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "tool-plugin",
        imports: { default: trappable | tracing | verbose_tracing },
        with: {
            "catena:plugin/types": super::control::catena::plugin::types,
            "catena:plugin/log": super::control::catena::plugin::log,
            "catena:plugin/config": super::control::catena::plugin::config,
            "catena:plugin/workspace": super::control::catena::plugin::workspace,
            "catena:plugin/process": super::control::catena::plugin::process,
        },
        require_store_data_send: true,
    });
}

pub mod judge {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "judge-plugin",
        imports: { default: trappable | tracing | verbose_tracing },
        with: {
            "catena:plugin/types": super::control::catena::plugin::types,
            "catena:plugin/log": super::control::catena::plugin::log,
            "catena:plugin/config": super::control::catena::plugin::config,
            "catena:plugin/model": super::control::catena::plugin::model,
            "catena:plugin/workspace": super::control::catena::plugin::workspace,
            "catena:plugin/process": super::control::catena::plugin::process,
        },
        require_store_data_send: true,
    });
}

pub mod writer {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "writer-plugin",
        imports: { default: trappable | tracing | verbose_tracing },
        with: {
            "catena:plugin/types": super::control::catena::plugin::types,
            "catena:plugin/log": super::control::catena::plugin::log,
            "catena:plugin/config": super::control::catena::plugin::config,
            "catena:plugin/model": super::control::catena::plugin::model,
        },
        require_store_data_send: true,
    });
}

pub mod http {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "catena:http-client/client",
        imports: { default: trappable | tracing | verbose_tracing },
        with: {
            "wasi:io/error": wasmtime_wasi::p2::bindings::sync::io::error,
            "wasi:io/poll": wasmtime_wasi::p2::bindings::sync::io::poll,
            "wasi:io/streams": wasmtime_wasi::p2::bindings::sync::io::streams,
            "wasi:clocks/monotonic-clock": wasmtime_wasi::p2::bindings::clocks::monotonic_clock,
            "wasi:http/types.fields": crate::imports::http::Fields,
            "wasi:http/types.outgoing-request": crate::imports::http::OutgoingRequest,
            "wasi:http/types.request-options": crate::imports::http::RequestOptions,
            "wasi:http/types.outgoing-body": crate::imports::http::OutgoingBody,
            "wasi:http/types.future-incoming-response": crate::imports::http::FutureResponse,
            "wasi:http/types.incoming-response": crate::imports::http::IncomingResponse,
            "wasi:http/types.incoming-body": crate::imports::http::IncomingBody,
            "wasi:http/types.future-trailers": crate::imports::http::FutureTrailers,
        },
        require_store_data_send: true,
    });
}

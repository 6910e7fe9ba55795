//! A plugin over directories of this machine, as wasmtime's own WASI serves
//! them: what the worktrees are held against.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::path::Path;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker, ResourceTable, Val};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

/// A tool plugin, loaded.
pub(crate) struct Preopened {
    ready: InstancePre<Host>,
}

struct Host {
    table: ResourceTable,
    wasi: WasiCtx,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Preopened {
    /// Compiles a component of a tool plugin, with fuel and epochs as
    /// everywhere else. Its own interfaces trap.
    pub(crate) fn load(component: &Path) -> Self {
        let mut config = Config::new();
        config.consume_fuel(true).epoch_interruption(true).concurrency_support(false);
        let engine = Engine::new(&config).unwrap();
        let component = Component::from_file(&engine, component).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
        refuse_own_interfaces(&mut linker, &component);
        Self { ready: linker.instantiate_pre(&component).unwrap() }
    }

    /// Calls the tool `name` with `host` preopened as `guest`, in wasmtime's
    /// fastest mode, without threads.
    pub(crate) fn call(&self, name: &str, arguments: &str, host: &Path, guest: &str) -> String {
        let mut wasi = WasiCtx::builder();
        // Directories take this over when they are opened.
        wasi.allow_blocking_current_thread(true);
        wasi.preopened_dir(host, guest, FsPerms::ReadWrite).unwrap();
        let state = Host { table: ResourceTable::new(), wasi: wasi.build() };
        let mut store = Store::new(self.ready.engine(), state);
        store.set_fuel(u64::MAX).unwrap();
        store.set_epoch_deadline(u64::MAX);
        let instance = self.ready.instantiate(&mut store).unwrap();
        let tools = "catena:plugin/tool-provider@0.1.0";
        let (_, tools) = instance.get_export(&mut store, None, tools).unwrap();
        let (_, call) = instance.get_export(&mut store, Some(&tools), "call").unwrap();
        let call = instance.get_func(&mut store, call).unwrap();
        let field = |name: &str, value: &str| (name.to_owned(), Val::String(value.to_owned()));
        let request = [field("id", "1"), field("name", name), field("arguments", arguments)];
        let mut answer = [Val::Bool(false)];
        call.call(&mut store, &[Val::Record(request.into())], &mut answer).unwrap();
        content(&answer[0])
    }
}

/// Links what a component names of ours so that every call of it traps.
fn refuse_own_interfaces(linker: &mut Linker<Host>, component: &Component) {
    let engine = linker.engine().clone();
    for (interface, item) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if !interface.starts_with("catena:") {
            continue;
        }
        let mut stubs = linker.instance(interface).unwrap();
        for (name, export) in instance.exports(&engine) {
            if let ComponentItem::ComponentFunc(_) = export.ty {
                let refuse =
                    |_: wasmtime::StoreContextMut<'_, Host>, _, _: &[Val], _: &mut [Val]| {
                        Err(wasmtime::Error::msg("not served here"))
                    };
                stubs.func_new(name, refuse).unwrap();
            }
        }
    }
}

/// The text of a tool's answer.
fn content(answer: &Val) -> String {
    let Val::Result(Ok(Some(output))) = answer else { panic!("no answer: {answer:?}") };
    let Val::Record(fields) = &**output else { panic!("no record: {output:?}") };
    let content = fields.iter().find(|(name, _)| name == "content");
    let Some((_, Val::String(text))) = content else { panic!("no content: {fields:?}") };
    text.clone()
}

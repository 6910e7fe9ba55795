//! Headers, requests and answers of `wasi:http` as resources in the guest's table.

use std::sync::{Arc, Mutex};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sync::io::streams::{Error as IoError, InputStream, OutputStream};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, subscribe};

use super::{
    Fields, FutureTrailers, IncomingBody, IncomingResponse, OutgoingBody, OutgoingRequest,
    RequestOptions, SentBody,
};
use crate::bindings::http::wasi::http::types as wit;
use crate::network::{MAX_BODY, MAX_HEADERS, is_header, is_of_the_connection};
use crate::session::lock;
use crate::state::State;

fn check(name: &str, value: &[u8]) -> Result<(), wit::HeaderError> {
    if !is_header(name, value) {
        return Err(wit::HeaderError::InvalidSyntax);
    }
    if is_of_the_connection(name) { Err(wit::HeaderError::Forbidden) } else { Ok(()) }
}

/// No list of headers has more bytes than a request may have.
fn check_size(entries: &[(String, Vec<u8>)]) -> Result<(), wit::HeaderError> {
    let sizes = entries.iter().map(|(name, value)| name.len() + value.len() + 1);
    let is_small = sizes.fold(0, usize::saturating_add) <= MAX_HEADERS;
    if is_small { Ok(()) } else { Err(wit::HeaderError::Forbidden) }
}

fn is_same(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

impl State {
    fn changeable(
        &mut self,
        fields: &Resource<Fields>,
    ) -> wasmtime::Result<Result<&mut Fields, wit::HeaderError>> {
        let fields = self.table.get_mut(fields)?;
        Ok(if fields.is_fixed { Err(wit::HeaderError::Immutable) } else { Ok(fields) })
    }

    fn request(
        &mut self,
        request: &Resource<OutgoingRequest>,
    ) -> wasmtime::Result<&mut OutgoingRequest> {
        Ok(self.table.get_mut(request)?)
    }

    fn options(
        &mut self,
        options: &Resource<RequestOptions>,
    ) -> wasmtime::Result<&mut RequestOptions> {
        Ok(self.table.get_mut(options)?)
    }
}

impl wit::Host for State {
    /// Bodies are whole, so no stream of one fails.
    fn http_error_code(
        &mut self,
        err: Resource<IoError>,
    ) -> wasmtime::Result<Option<wit::ErrorCode>> {
        self.table.get(&err)?;
        Ok(None)
    }
}

impl wit::HostFields for State {
    fn new(&mut self) -> wasmtime::Result<Resource<Fields>> {
        Ok(self.table.push(Fields::default())?)
    }

    fn from_list(
        &mut self,
        entries: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<Resource<Fields>, wit::HeaderError>> {
        let wrong = entries.iter().find_map(|(name, value)| check(name, value).err());
        if let Some(err) = wrong.or_else(|| check_size(&entries).err()) {
            return Ok(Err(err));
        }
        Ok(Ok(self.table.push(Fields { entries, is_fixed: false })?))
    }

    fn get(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        let entries = self.table.get(&fields)?.entries.iter();
        let found = entries.filter(|(known, _)| is_same(known, &name));
        Ok(found.map(|(_, value)| value.clone()).collect())
    }

    fn has(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<bool> {
        Ok(self.table.get(&fields)?.entries.iter().any(|(known, _)| is_same(known, &name)))
    }

    fn set(
        &mut self,
        fields: Resource<Fields>,
        name: String,
        values: Vec<Vec<u8>>,
    ) -> wasmtime::Result<Result<(), wit::HeaderError>> {
        let wrong = values.iter().find_map(|value| check(&name, value).err());
        if let Some(err) = wrong.or_else(|| check(&name, b"").err()) {
            return Ok(Err(err));
        }
        Ok(self.changeable(&fields)?.and_then(|fields| {
            let others = fields.entries.iter().filter(|(known, _)| !is_same(known, &name));
            let set = values.into_iter().map(|value| (name.clone(), value));
            let entries: Vec<_> = others.cloned().chain(set).collect();
            check_size(&entries)?;
            fields.entries = entries;
            Ok(())
        }))
    }

    fn delete(
        &mut self,
        fields: Resource<Fields>,
        name: String,
    ) -> wasmtime::Result<Result<(), wit::HeaderError>> {
        Ok(self
            .changeable(&fields)?
            .map(|fields| fields.entries.retain(|(known, _)| !is_same(known, &name))))
    }

    fn append(
        &mut self,
        fields: Resource<Fields>,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), wit::HeaderError>> {
        if let Err(err) = check(&name, &value) {
            return Ok(Err(err));
        }
        Ok(self.changeable(&fields)?.and_then(|fields| {
            fields.entries.push((name, value));
            check_size(&fields.entries).inspect_err(|_| drop(fields.entries.pop()))
        }))
    }

    fn entries(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        Ok(self.table.get(&fields)?.entries.clone())
    }

    fn clone(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Resource<Fields>> {
        let entries = self.table.get(&fields)?.entries.clone();
        Ok(self.table.push(Fields { entries, is_fixed: false })?)
    }

    fn drop(&mut self, fields: Resource<Fields>) -> wasmtime::Result<()> {
        self.table.delete(fields)?;
        Ok(())
    }
}

impl wit::HostOutgoingRequest for State {
    fn new(&mut self, headers: Resource<Fields>) -> wasmtime::Result<Resource<OutgoingRequest>> {
        let headers = self.table.delete(headers)?.entries;
        let request = OutgoingRequest {
            method: wit::Method::Get,
            path: None,
            scheme: None,
            authority: None,
            headers,
            body: None,
        };
        Ok(self.table.push(request)?)
    }

    fn body(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        let request = self.request(&request)?;
        if request.body.is_some() {
            return Ok(Err(()));
        }
        let capacity = usize::try_from(MAX_BODY).unwrap_or(usize::MAX);
        let (bytes, is_whole) = (MemoryOutputPipe::new(capacity), Arc::new(Mutex::new(None)));
        let sent = SentBody { bytes, is_whole };
        request.body = Some(sent.clone());
        Ok(Ok(self.table.push(OutgoingBody { sent, is_taken: false })?))
    }

    fn method(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<wit::Method> {
        Ok(self.request(&request)?.method.clone())
    }

    fn set_method(
        &mut self,
        request: Resource<OutgoingRequest>,
        method: wit::Method,
    ) -> wasmtime::Result<Result<(), ()>> {
        let is_small = !matches!(&method, wit::Method::Other(name) if name.len() > MAX_HEADERS);
        if !is_small {
            return Ok(Err(()));
        }
        self.request(&request)?.method = method;
        Ok(Ok(()))
    }

    fn path_with_query(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Option<String>> {
        Ok(self.request(&request)?.path.clone())
    }

    fn set_path_with_query(
        &mut self,
        request: Resource<OutgoingRequest>,
        path: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        let is_small = path.as_ref().is_none_or(|path| path.len() <= MAX_HEADERS);
        if !is_small {
            return Ok(Err(()));
        }
        self.request(&request)?.path = path;
        Ok(Ok(()))
    }

    fn scheme(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Option<wit::Scheme>> {
        Ok(self.request(&request)?.scheme.clone())
    }

    fn set_scheme(
        &mut self,
        request: Resource<OutgoingRequest>,
        scheme: Option<wit::Scheme>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.request(&request)?.scheme = scheme;
        Ok(Ok(()))
    }

    fn authority(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Option<String>> {
        Ok(self.request(&request)?.authority.clone())
    }

    fn set_authority(
        &mut self,
        request: Resource<OutgoingRequest>,
        authority: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        let is_small = authority.as_ref().is_none_or(|name| name.len() <= MAX_HEADERS);
        if !is_small {
            return Ok(Err(()));
        }
        self.request(&request)?.authority = authority;
        Ok(Ok(()))
    }

    fn headers(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Resource<Fields>> {
        let entries = self.request(&request)?.headers.clone();
        Ok(self.table.push(Fields { entries, is_fixed: true })?)
    }

    fn drop(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

impl wit::HostRequestOptions for State {
    fn new(&mut self) -> wasmtime::Result<Resource<RequestOptions>> {
        Ok(self.table.push(RequestOptions::default())?)
    }

    fn connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<u64>> {
        Ok(self.options(&options)?.connect)
    }

    fn set_connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        duration: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.options(&options)?.connect = duration;
        Ok(Ok(()))
    }

    fn first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<u64>> {
        Ok(self.options(&options)?.first_byte)
    }

    fn set_first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        duration: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.options(&options)?.first_byte = duration;
        Ok(Ok(()))
    }

    fn between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<u64>> {
        Ok(self.options(&options)?.between_bytes)
    }

    fn set_between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        duration: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.options(&options)?.between_bytes = duration;
        Ok(Ok(()))
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<()> {
        self.table.delete(options)?;
        Ok(())
    }
}

impl wit::HostOutgoingBody for State {
    fn write(
        &mut self,
        body: Resource<OutgoingBody>,
    ) -> wasmtime::Result<Result<Resource<OutputStream>, ()>> {
        let body = self.table.get_mut(&body)?;
        if std::mem::replace(&mut body.is_taken, true) {
            return Ok(Err(()));
        }
        let stream: DynOutputStream = Box::new(body.sent.bytes.clone());
        Ok(Ok(self.table.push(stream)?))
    }

    fn finish(
        &mut self,
        body: Resource<OutgoingBody>,
        trailers: Option<Resource<Fields>>,
    ) -> wasmtime::Result<Result<(), wit::ErrorCode>> {
        let body = self.table.delete(body)?;
        let trailers = trailers.map(|trailers| self.table.delete(trailers)).transpose()?;
        if trailers.is_some_and(|trailers| !trailers.entries.is_empty()) {
            *lock(&body.sent.is_whole) = Some(false);
            return Ok(Err(wit::ErrorCode::HttpRequestTrailerSectionSize(Some(0))));
        }
        *lock(&body.sent.is_whole) = Some(true);
        Ok(Ok(()))
    }

    fn drop(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<()> {
        let body = self.table.delete(body)?;
        lock(&body.sent.is_whole).get_or_insert(false);
        Ok(())
    }
}

impl wit::HostIncomingResponse for State {
    fn status(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&response)?.status)
    }

    fn headers(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> wasmtime::Result<Resource<Fields>> {
        let entries = self.table.get(&response)?.headers.clone();
        Ok(self.table.push(Fields { entries, is_fixed: true })?)
    }

    fn consume(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        let Some(body) = self.table.get_mut(&response)?.body.take() else { return Ok(Err(())) };
        Ok(Ok(self.table.push(IncomingBody(Some(body)))?))
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<()> {
        self.table.delete(response)?;
        Ok(())
    }
}

impl wit::HostIncomingBody for State {
    fn stream(
        &mut self,
        body: Resource<IncomingBody>,
    ) -> wasmtime::Result<Result<Resource<InputStream>, ()>> {
        let Some(bytes) = self.table.get_mut(&body)?.0.take() else { return Ok(Err(())) };
        let stream: DynInputStream = Box::new(MemoryInputPipe::new(bytes));
        Ok(Ok(self.table.push(stream)?))
    }

    fn finish(
        &mut self,
        body: Resource<IncomingBody>,
    ) -> wasmtime::Result<Resource<FutureTrailers>> {
        self.table.delete(body)?;
        Ok(self.table.push(FutureTrailers { is_taken: false })?)
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<()> {
        self.table.delete(body)?;
        Ok(())
    }
}

impl wit::HostFutureTrailers for State {
    fn subscribe(
        &mut self,
        trailers: Resource<FutureTrailers>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, trailers)
    }

    fn get(
        &mut self,
        trailers: Resource<FutureTrailers>,
    ) -> wasmtime::Result<Option<Result<Result<Option<Resource<Fields>>, wit::ErrorCode>, ()>>>
    {
        let trailers = self.table.get_mut(&trailers)?;
        let was_taken = std::mem::replace(&mut trailers.is_taken, true);
        Ok(Some(if was_taken { Err(()) } else { Ok(Ok(None)) }))
    }

    fn drop(&mut self, trailers: Resource<FutureTrailers>) -> wasmtime::Result<()> {
        self.table.delete(trailers)?;
        Ok(())
    }
}

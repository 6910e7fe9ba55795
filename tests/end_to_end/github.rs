//! `catena mine OWNER/NAME` against a GitHub that is large, slow, strict, and
//! gone; and against kills at every request.

use std::collections::BTreeMap;
use std::process::Stdio;

use rusqlite::types::Value as Cell;
use serde_json::{Value, json};

use crate::environment::{self, Outcome, TestEnvironment};
use crate::github_server::{
    Fault, GitHubServer, World, connection, issue, large, pull_request, reference, remark, thread,
};

/// What must not be found in anything that is written.
const TOKEN: &str = "ghp_not_for_anybody";

fn mine(environment: &TestEnvironment, server: &GitHubServer, more: &[&str]) -> Outcome {
    let mut command = environment.catena_command(&["mine", "owner/name", "--api-url", &server.url]);
    command.args(more).env("GITHUB_TOKEN", TOKEN);
    environment::run(command)
}

/// All rows of all tables of a cache.
fn rows(environment: &TestEnvironment, cache: &str) -> BTreeMap<String, Vec<String>> {
    let database = rusqlite::Connection::open(environment.path(cache)).unwrap();
    let mut tables =
        database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut found = BTreeMap::new();
    for table in tables.map(Result::unwrap) {
        let mut all = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = all.column_count();
        let shown = |row: &rusqlite::Row<'_>| {
            let cells = (0..columns).map(|column| row.get::<_, Cell>(column));
            Ok(format!("{:?}", cells.collect::<rusqlite::Result<Vec<_>>>()?))
        };
        let mut rows: Vec<String> = all.query_map([], shown).unwrap().map(Result::unwrap).collect();
        rows.sort();
        found.insert(table, rows);
    }
    found
}

/// What was asked for beyond the list, each item by itself.
fn items(asked: &[Value]) -> Vec<String> {
    let mut items = Vec::new();
    for request in asked {
        let variables = &request["variables"];
        match request["operation"].as_str().unwrap() {
            "Repository" | "Listing" => {}
            "PullRequests" => {
                let ids = variables["ids"].as_array().unwrap();
                items.extend(ids.iter().map(Value::to_string));
            }
            more => items.push(format!("{more} {} {}", variables["id"], variables["after"])),
        }
    }
    items
}

fn count(tables: &BTreeMap<String, Vec<String>>, table: &str) -> usize {
    tables[table].len()
}

#[test]
fn everything_is_fetched_however_many_pages_it_has() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::busy());
    let outcome = mine(&environment, &server, &[]);
    outcome.succeeds().prints("121 of 121 merged pull requests").prints("licence: MIT");
    let tables = rows(&environment, "name.github.db");
    let threads: usize = (0..70).map(|place| if place == 41 { 125 } else { 1 + place % 9 }).sum();
    assert_eq!(count(&tables, "pull_request"), 121);
    assert_eq!(count(&tables, "label"), 35);
    assert_eq!(count(&tables, "pull_request_commit"), 120 + 140);
    assert_eq!(count(&tables, "changed_file"), 120 + 210);
    assert_eq!(count(&tables, "thread"), 70);
    assert_eq!(count(&tables, "remark"), 235 + 131 + threads);
    assert_eq!(count(&tables, "closing_issue"), 12);
    assert_eq!(count(&tables, "cross_reference"), 135);
    assert_eq!(count(&tables, "open_page"), 0);
    let asked = items(&server.asked());
    let mut once = asked.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), asked.len(), "nothing is asked for twice");
    let requests = server.asked().len();
    assert_eq!(server.header("authorization"), vec![format!("Bearer {TOKEN}"); requests]);
    let agent = concat!("catena/", env!("CARGO_PKG_VERSION"));
    assert_eq!(server.header("user-agent"), vec![agent; requests]);
    let written = std::fs::read(environment.path("name.github.db")).unwrap();
    assert!(!written.windows(TOKEN.len()).any(|bytes| bytes == TOKEN.as_bytes()));
}

#[test]
fn only_what_was_updated_is_asked_for_again() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::busy());
    mine(&environment, &server, &[]).succeeds();
    server.plan(|_, _| None);
    mine(&environment, &server, &[]).succeeds().prints("0 of them fetched now");
    assert_eq!(items(&server.asked()), [""; 0]);
    assert_eq!(server.asked().len(), 2, "the repository and the top of the list");
    server.change(|world| {
        world.update(5, 40_000, |it| it["title"] = "Another title".into());
        world.update(57, 40_001, |it| {
            let comments = it["comments"]["__connection"].as_array_mut().unwrap();
            comments.push(remark("C_new", "one more"));
        });
        let mut new = pull_request(130);
        new["updatedAt"] = "2024-05-03T00:00:00Z".into();
        world.pull_requests.push(new);
    });
    server.plan(|_, _| None);
    mine(&environment, &server, &[]).succeeds().prints("122 of 122").prints("3 of them");
    let asked = items(&server.asked());
    assert_eq!(asked[..3], [r#""PR_130""#, r#""PR_57""#, r#""PR_5""#]);
    // As if it had been fetched once and now.
    let fresh = GitHubServer::start(World::of(vec![]));
    server.change(|world| fresh.change(|other| *other = world.clone()));
    mine(&environment, &fresh, &["--cache", "fresh.db"]).succeeds();
    assert_eq!(rows(&environment, "name.github.db"), rows(&environment, "fresh.db"));
}

#[test]
fn kill_at_any_request_loses_nothing_and_asks_for_nothing_twice() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::busy());
    mine(&environment, &server, &["--cache", "whole.db"]).succeeds();
    let (whole, unbroken) = (rows(&environment, "whole.db"), server.asked());
    assert!(unbroken.len() > 20, "{}", unbroken.len());
    for killed_at in 0..unbroken.len() {
        server.plan(move |place, _| (place == killed_at).then_some(Fault::Hold));
        let cache = format!("killed-{killed_at}.db");
        let mut command = environment.catena_command(&["mine", "owner/name", "--cache", &cache]);
        command.args(["--api-url", &server.url]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        server.wait_for_hold();
        child.kill().unwrap();
        child.wait().unwrap();
        server.release();
        mine(&environment, &server, &["--cache", &cache]).succeeds();
        assert_eq!(rows(&environment, &cache), whole, "killed at {killed_at}");
        let mut asked = items(&server.asked());
        // What was on its way at the kill had to be asked for again, and no more.
        for item in items(&unbroken[killed_at..=killed_at]) {
            let place = asked.iter().position(|it| *it == item).unwrap();
            asked.remove(place);
        }
        asked.sort();
        let mut once = items(&unbroken);
        once.sort();
        assert_eq!(asked, once, "killed at {killed_at}");
    }
}

#[test]
fn kill_between_an_answer_and_the_next_request_loses_nothing() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::busy());
    mine(&environment, &server, &["--cache", "whole.db"]).succeeds();
    let (whole, unbroken) = (rows(&environment, "whole.db"), server.asked().len());
    let (mut kills, mut requests) = (0, 0);
    // One cache, and a kill after ever more work on it, until a run comes through.
    for spins in 0.. {
        server.plan(|_, _| None);
        let mut command = environment.catena_command(&["mine", "owner/name", "--api-url"]);
        command.arg(&server.url).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        while server.asked().len() < 1 + spins % 7 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        for _ in 0..spins * 20_000 {
            std::hint::spin_loop();
        }
        let ended = child.try_wait().unwrap().is_some();
        if !ended {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        requests += items(&server.asked()).len();
        if ended {
            break;
        }
    }
    assert_eq!(rows(&environment, "name.github.db"), whole);
    // A kill costs one request at most: that of twenty pull requests.
    assert!(requests <= unbroken + 121 + 20 * kills, "{requests} after {kills} kills");
}

#[test]
fn limits_are_waited_for_and_heavy_queries_made_smaller() {
    let environment = TestEnvironment::new();
    let mut world = World::of((1..=30).map(pull_request).collect());
    world.pull_requests[11] = large(12);
    let server = GitHubServer::start(world);
    mine(&environment, &server, &["--cache", "whole.db"]).succeeds();
    let secondary = r#"{"message": "You have exceeded a secondary rate limit."}"#;
    let wrong =
        json!({"errors": [{"message": "Something went wrong while executing your query."}]});
    server.plan(move |place, _| match place {
        1 | 9 => Some(Fault::Status(403, "retry-after: 0\r\n", secondary)),
        2 => Some(Fault::Status(429, "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 5\r\n", "")),
        3 | 5 | 6 => Some(Fault::Status(502, "", "<html>")),
        7 => Some(Fault::Body(wrong.clone())),
        8 => Some(Fault::Cut),
        place if place > 9 && place % 5 == 0 => Some(Fault::Status(504, "", "")),
        _ => None,
    });
    let outcome = mine(&environment, &server, &[]);
    outcome.succeeds().says("for the secondary rate limit").says("for the hour's rate limit");
    assert_eq!(rows(&environment, "name.github.db"), rows(&environment, "whole.db"));
    let sizes: Vec<usize> = server.asked()[5..]
        .iter()
        .filter_map(|asked| Some(asked["variables"]["ids"].as_array()?.len()))
        .collect();
    assert_eq!(sizes[..6], [20, 10, 5, 2, 1, 1], "halved at each failure");
}

#[test]
fn other_statuses_are_told_with_githubs_words() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::of(vec![pull_request(8), pull_request(9)]));
    let strange = Fault::Status(400, "", r#"{"message": "no"}"#);
    server.plan(move |place, _| (place == 1).then(|| strange.clone()));
    let outcome = mine(&environment, &server, &[]);
    outcome.ends_with(2).says("GitHub answered with status 400: no").says("hint: ");
}

#[test]
fn refusals_say_what_to_do() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::of(vec![pull_request(8)]));
    let refused = |fault: Fault| {
        server.plan(move |_, _| Some(fault.clone()));
        mine(&environment, &server, &[])
    };
    let bad = Fault::Status(401, "", r#"{"message": "Bad credentials"}"#);
    refused(bad).ends_with(2).says("does not accept the token").says("hint: make a token");
    let scopes = json!({"errors": [{"type": "INSUFFICIENT_SCOPES", "message": "needs `repo`"}]});
    refused(Fault::Body(scopes)).ends_with(2).says("needs `repo`").says("hint: give the token");
    let sso = "x-github-sso: required; url=https://example.org/sso\r\n";
    let sso = Fault::Status(403, sso, r#"{"message": "protected by SAML"}"#);
    refused(sso).ends_with(2).says("authorise the token for the organisation at https://example");
    refused(Fault::Status(404, "", "{}")).ends_with(2).says("no GraphQL API").says("/api/v3");
    server.plan(|_, _| None);
    server.change(|world| "else/where".clone_into(&mut world.name));
    mine(&environment, &server, &[]).ends_with(2).says("there is no such repository");
}

#[test]
fn no_token_is_noticed_before_anything_is_asked() {
    let environment = TestEnvironment::new();
    let outcome = environment.catena(&["mine", "owner/name"]);
    outcome.ends_with(2).says("`GITHUB_TOKEN`, `GH_TOKEN`").says("hint: make a token");
    let mut command = environment.catena_command(&["mine", "owner/name"]);
    command.args(["--api-url", "https://git.example.org/api/v3"]).env("GH_TOKEN", TOKEN);
    let outcome = environment::run(command);
    outcome.ends_with(2).says("`GITHUB_ENTERPRISE_TOKEN`, `GH_ENTERPRISE_TOKEN`");
    let mut command = environment.catena_command(&["mine", "owner/name"]);
    command.args(["--api-url", "http://git.example.org/api/v3"]);
    command.env("GH_ENTERPRISE_TOKEN", TOKEN);
    let outcome = environment::run(command);
    outcome.ends_with(2).says("the token would be readable on the way");
    assert!(!outcome.stderr.contains(TOKEN));
}

#[test]
fn renamed_repository_is_followed_and_said() {
    let environment = TestEnvironment::new();
    let mut world = World::of(vec![pull_request(8)]);
    (world.name, world.former) = ("new-owner/name".to_owned(), vec!["owner/name".to_owned()]);
    let server = GitHubServer::start(world);
    let outcome = mine(&environment, &server, &[]);
    outcome.succeeds().says("`owner/name` is called `new-owner/name` now");
    outcome.prints("new-owner/name: 1 of 1");
}

#[test]
fn newest_alone_are_fetched_where_that_is_asked() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::busy());
    mine(&environment, &server, &["--limit", "3"]).succeeds().prints("3 of 121");
    assert_eq!(items(&server.asked()), [r#""PR_121""#, r#""PR_120""#, r#""PR_119""#]);
    // All were merged on one day.
    server.plan(|_, _| None);
    mine(&environment, &server, &["--since", "2024-05-03"]).succeeds().prints("0 of 121");
    assert_eq!(items(&server.asked()), [""; 0]);
    mine(&environment, &server, &[]).succeeds().prints("121 of 121").prints("118 of them");
    mine(&environment, &server, &["--cache", "whole.db"]).succeeds();
    assert_eq!(rows(&environment, "name.github.db"), rows(&environment, "whole.db"));
}

/// An answer in which nothing that was asked for can be had.
fn nothing(count: usize, kind: &str) -> Fault {
    let body = json!({
        "data": {"nodes": vec![Value::Null; count], "rateLimit": null},
        "errors": [{"type": kind, "path": ["nodes", 0], "message": "Could not resolve"}],
    });
    Fault::Body(body)
}

#[test]
fn pull_request_that_has_gone_is_not_asked_for_again() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::of(vec![pull_request(1)]));
    server.plan(|place, _| (place == 2).then(|| nothing(1, "NOT_FOUND")));
    mine(&environment, &server, &[]).succeeds();
    server.plan(|_, _| None);
    mine(&environment, &server, &[]).succeeds();
    assert_eq!(items(&server.asked()), [""; 0]);
}

#[test]
fn lost_right_to_read_is_an_error_and_costs_nothing_that_is_known() {
    for kind in ["NOT_FOUND", "FORBIDDEN"] {
        let environment = TestEnvironment::new();
        let server = GitHubServer::start(World::of((1..=3).map(pull_request).collect()));
        server.plan(move |place, _| (place == 2).then(|| nothing(3, kind)));
        mine(&environment, &server, &[]).ends_with(2);
        server.plan(|_, _| None);
        mine(&environment, &server, &[]).succeeds().prints("3 of 3");
        assert_eq!(items(&server.asked()).len(), 3, "{kind}");
    }
}

#[test]
fn cache_of_another_repository_is_not_written_to() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::of(vec![pull_request(8)]));
    environment.write("other.db", "not a database, but long enough to be looked at as one");
    let outcome = mine(&environment, &server, &["--cache", "other.db"]);
    outcome.ends_with(2).says("is not a cache of GitHub's answers").says("`--cache`");
    mine(&environment, &server, &[]).succeeds();
    let catalogue = rusqlite::Connection::open(environment.path("name.github.db")).unwrap();
    catalogue.execute("UPDATE repository SET id = 'R_2'", []).unwrap();
    drop(catalogue);
    let outcome = mine(&environment, &server, &[]);
    outcome.ends_with(2).says("is of another repository, `owner/name`");
}

/// A repository in which four pull requests landed, three of them unmarked.
fn history(environment: &TestEnvironment) -> Vec<String> {
    std::fs::create_dir(environment.path("clone")).unwrap();
    environment.git("clone", &["init", "-q", "-b", "main"]);
    let mut commits = Vec::new();
    for (place, message) in
        ["Begin", "One", "Two", "Three (#99)", "Four, first step", "Four, last step"]
            .iter()
            .enumerate()
    {
        let text = format!("{place} and no other\n").repeat(20);
        environment.write(&format!("clone/src/{place}.txt"), text);
        environment.git("clone", &["add", "-A"]);
        environment.git("clone", &["commit", "-q", "-m", message]);
        commits.push(environment.git("clone", &["rev-parse", "HEAD"]));
    }
    commits
}

fn merged(number: u64, title: &str, commit: &str) -> Value {
    let mut found = pull_request(number);
    found["title"] = title.into();
    found["mergeCommit"] = json!({ "oid": commit });
    found
}

#[test]
fn discussions_make_the_chains_that_messages_do_not_tell_of() {
    let environment = TestEnvironment::new();
    let commits = history(&environment);
    let mut one = merged(11, "Tables", &commits[1]);
    let mut two = merged(12, "Tables with borders", &commits[2]);
    let mut three = merged(13, "Borders of tables", &commits[3]);
    let mut four = merged(14, "Four", &commits[5]);
    one["comments"] = connection([remark("C_1", "This was continued: follow-up in #12")]);
    two["reviewThreads"] =
        connection([thread("RT_1", vec![remark("C_2", "the loop of #11 did it better")])]);
    two["closingIssuesReferences"] = connection([issue(7, "Borders overlap", "since #11")]);
    two["labels"] = connection([json!({"name": "bug"}), json!({"name": "module: tables"})]);
    three["body"] = "A follow-up to #12.".into();
    three["timelineItems"] = connection([reference("CR_1", 14)]);
    let step = |message: &str| json!({"commit": {"oid": commits[0], "message": message, "author": {"name": "Ann"}}});
    four["title"] = "Four, last step".into();
    four["commits"] = connection([step("Four, first step"), step("Four, last step")]);
    let mut backport = merged(99, "Backport", &"b".repeat(40));
    backport["baseRefName"] = "0.2".into();
    let server = GitHubServer::start(World::of(vec![one, two, three, four, backport]));
    let more = ["--clone", "clone", "--output", "catalogue.db"];
    let outcome = mine(&environment, &server, &more);
    outcome.succeeds().prints("4 pull requests").prints("3 were discussed on GitHub");
    let build = ["chain", "build", "--catalogue", "catalogue.db", "--clone", "clone"];
    let outcome = environment.catena(&[&build[..], &["--output", "chains.json"]].concat());
    outcome.succeeds();
    let chains = environment.read_json("chains.json");
    assert_eq!(chains["repository"]["license"], "MIT");
    let chain = &chains["chains"][0];
    assert_eq!(chain["id"], "name-11-12-13-14", "{chains:#}");
    // It landed commit by commit.
    let four = &chain["stages"][3];
    assert_eq!(four["merge"], commits[5].as_str());
    assert_eq!(four["base"]["commit"], commits[3].as_str());
    assert_eq!(four["base"]["commits"], 2);
    assert_eq!(four["reference_patch"]["available"]["files"], 2);
    assert_eq!(chain["stages"][2]["pull_request"]["body"], "A follow-up to #12.");
    assert_eq!(chain["stages"][2]["merge"], commits[3].as_str());
    let two = &chain["stages"][1]["pull_request"];
    assert_eq!(two["labels"], json!(["bug", "module: tables"]));
    let closed = json!({"number": 7, "title": "Borders overlap", "body": "since #11"});
    assert_eq!(two["closes"], json!([closed]));
    let edges = chain["edges"].as_array().unwrap();
    let evidence = |edge: &Value| -> Vec<String> {
        let pieces = edge["evidence"].as_array().unwrap().iter();
        pieces.map(|it| format!("{} {} {}", it["kind"], it["place"], it["author"])).collect()
    };
    let first: Vec<String> = evidence(&edges[0]);
    assert!(first.contains(&r#""follows-up" "under-earlier" "rob""#.to_owned()), "{first:?}");
    assert!(first.contains(&r#""mentions" "review" "rob""#.to_owned()), "{first:?}");
    assert!(first.contains(&r#""mentions" {"issue":{"issue":7}} "ida""#.to_owned()), "{first:?}");
    assert_eq!(evidence(&edges[1]), [r#""follows-up" "body" null"#]);
    let shown = environment.catena(&["chain", "show", "chains.json", "name-11-12-13-14"]);
    shown.succeeds().prints("mentions it, in issue #7 by ida: since #11");
    // Without GitHub, from what it told before.
    let offline = ["mine", "--repository", "owner/name", "--cache", "name.github.db"];
    let offline = [&offline[..], &["--clone", "clone", "--output", "again.db"]].concat();
    environment.catena(&offline).succeeds().prints("3 were discussed on GitHub");
    let (before, after) = (rows(&environment, "catalogue.db"), rows(&environment, "again.db"));
    assert_eq!(before, after);
}

#[test]
fn pull_request_that_github_cannot_answer_for_is_left_for_the_next_time() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::of((1..=5).map(pull_request).collect()));
    server.plan(|_, asked| {
        let ids = asked["variables"]["ids"].as_array()?;
        ids.contains(&json!("PR_3")).then_some(Fault::Status(502, "", "<html>"))
    });
    let outcome = mine(&environment, &server, &[]);
    outcome.succeeds().prints("4 of 5").prints("1 more").says("#3 is left for the next time");
    assert_eq!(count(&rows(&environment, "name.github.db"), "set_aside"), 1);
    server.plan(|_, _| None);
    mine(&environment, &server, &[]).succeeds().prints("5 of 5").prints("1 of them");
    assert_eq!(items(&server.asked()), [r#""PR_3""#]);
    assert_eq!(count(&rows(&environment, "name.github.db"), "set_aside"), 0);
}

#[test]
fn lost_places_in_lists_stop_nothing() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::busy());
    mine(&environment, &server, &["--cache", "whole.db"]).succeeds();
    let lost = json!({"data": {"node": null}, "errors": [{
        "type": "INVALID_CURSOR_ARGUMENTS", "path": ["node"], "message": "no valid cursor",
    }]});
    let kept = lost.clone();
    server.plan(move |place, _| (place == 2).then(|| Fault::Body(kept.clone())));
    mine(&environment, &server, &["--cache", "list.db"]).succeeds().prints("121 of 121");
    assert_eq!(rows(&environment, "list.db"), rows(&environment, "whole.db"));
    server.plan(move |_, asked| {
        (asked["operation"] == "MoreComments").then(|| Fault::Body(lost.clone()))
    });
    let outcome = mine(&environment, &server, &["--cache", "page.db"]);
    outcome.succeeds().prints("120 of 121").says("#57 is left for the next time");
    server.plan(|_, _| None);
    mine(&environment, &server, &["--cache", "page.db"]).succeeds().prints("121 of 121");
    assert_eq!(rows(&environment, "page.db"), rows(&environment, "whole.db"));
}

#[test]
fn what_is_updated_while_the_list_is_read_is_not_missed() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::busy());
    server.plan(|place, _| (place == 2).then_some(Fault::Hold));
    let mut command = environment.catena_command(&["mine", "owner/name", "--api-url"]);
    command.arg(&server.url).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    server.wait_for_hold();
    // It leaves the second page for the top of the first, which was read.
    server.change(|world| world.update(5, 40_000, |it| it["title"] = "Another title".into()));
    server.release();
    assert!(child.wait().unwrap().success());
    let fresh = GitHubServer::start(World::of(vec![]));
    server.change(|world| fresh.change(|other| *other = world.clone()));
    mine(&environment, &fresh, &["--cache", "fresh.db"]).succeeds();
    assert_eq!(rows(&environment, "name.github.db"), rows(&environment, "fresh.db"));
}

#[test]
fn hours_points_are_waited_for_by_the_servers_clock() {
    let environment = TestEnvironment::new();
    let mut world = World::of(vec![pull_request(8)]);
    world.remaining = 0;
    let server = GitHubServer::start(world);
    mine(&environment, &server, &[]).succeeds().says("for the hour's rate limit");
    // A second is left by this clock, and ten years by ours.
    let ahead = "date: Tue, 01 Jan 2036 00:00:00 GMT\r\nx-ratelimit-remaining: 0\r\n\
                 x-ratelimit-reset: 2082758401\r\n";
    server.change(|world| world.remaining = 4_000);
    server.plan(move |place, _| (place == 0).then_some(Fault::Status(403, ahead, "{}")));
    mine(&environment, &server, &[]).succeeds().says("waits 2 seconds for the hour's rate limit");
}

#[test]
fn cache_is_for_its_user_alone_and_names_before_a_rename_count() {
    use std::os::unix::fs::PermissionsExt as _;
    let environment = TestEnvironment::new();
    let commits = history(&environment);
    let mut one = merged(11, "Tables", &commits[1]);
    one["timelineItems"] = connection([reference("CR_1", 12)]);
    let two = merged(12, "Tables with borders", &commits[2]);
    let server = GitHubServer::start(World::of(vec![one, two]));
    mine(&environment, &server, &[]).succeeds();
    let permissions = environment.path("name.github.db").metadata().unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    server.change(|world| {
        (world.name, world.former) = ("new-owner/name".to_owned(), vec!["owner/name".to_owned()]);
    });
    let more = ["--clone", "clone", "--output", "catalogue.db"];
    mine(&environment, &server, &more).succeeds();
    assert_eq!(count(&rows(&environment, "catalogue.db"), "citation"), 1);
}

#[test]
fn survey_tells_what_the_choice_of_a_repository_needs() {
    let environment = TestEnvironment::new();
    let server = GitHubServer::start(World::busy());
    let survey = ["mine", "survey", "owner/name", "--api-url", &server.url];
    let outcome = environment.catena(&survey);
    outcome.succeeds().prints("owner/name").prints("121, few").prints("Rust 75 %, Python 25 %");
    let surveyed = environment.catena(&[&["--json"], &survey[..]].concat()).json();
    assert_eq!(surveyed[0]["merged"], 121);
    assert_eq!(surveyed[0]["license"], "MIT");
    // The newest hundred, among them the one that is discussed.
    let sample = &surveyed[0]["sample"];
    assert_eq!(sample["pull_requests"], 100);
    assert_eq!((&sample["reviewed"], &sample["reviews"]), (&json!(1), &json!(131)));
    assert_eq!((&sample["review_threads"], &sample["comments"]), (&json!(70), &json!(235)));
    let gone = ["mine", "survey", "else/where", "--api-url", &server.url];
    environment.catena(&gone).ends_with(2).says("nothing is known of `else/where`");
    let both = ["mine", "survey", "else/where", "owner/name", "--api-url", &server.url];
    let outcome = environment.catena(&both);
    outcome
        .ends_with(3)
        .prints("owner/name")
        .prints("nothing is known of `else/where`: there is no");
}

#[test]
fn exported_list_serves_in_the_place_of_github() {
    let environment = TestEnvironment::new();
    let commits = history(&environment);
    let comment =
        json!({"author": {"login": "rob"}, "body": "This was continued: follow-up in #12"});
    let listed = |number: u64, place: usize, comments: Vec<&Value>| {
        json!({
            "number": number, "title": format!("Change {number}"), "body": "", "commits": [],
            "mergedAt": "2024-05-02T00:00:00Z", "author": {"login": "ann"}, "comments": comments,
            "baseRefName": "main", "mergeCommit": {"oid": commits[place]},
        })
    };
    let pulls = json!([listed(11, 1, vec![&comment]), listed(12, 2, vec![])]);
    environment.write("pulls.json", pulls.to_string());
    let import = ["mine", "--repository", "owner/name", "--import", "pulls.json"];
    let import = [&import[..], &["--clone", "clone", "--output", "imported.db"]].concat();
    environment.catena(&import).succeeds().prints("1 were discussed on GitHub");
    let nonsense = ["mine", "--repository", "owner/name", "--import", "clone/src/1.txt"];
    let nonsense = [&nonsense[..], &["--clone", "clone", "--output", "imported.db"]].concat();
    environment.catena(&nonsense).ends_with(2).says("hint: `--import` takes a JSON list");
}

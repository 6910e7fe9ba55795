//! Repositories as the stand-in for GitHub knows them, in the names and shapes of
//! the public schema.

use serde_json::{Map, Value, json};

use super::executor::{Roots, connection};

/// Everything there is.
#[derive(Clone)]
pub(crate) struct World {
    /// The repository's name now.
    pub(crate) name: String,
    /// Names it had before.
    pub(crate) former: Vec<String>,
    pub(crate) pull_requests: Vec<Value>,
    /// Points that are left.
    pub(crate) remaining: u64,
}

/// A person, as an author of something.
pub(crate) fn person(login: &str) -> Value {
    json!({"__typename": "User", "login": login})
}

/// A time on the second day of May 2024.
pub(crate) fn time(second: u64) -> String {
    format!("2024-05-02T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// A merged pull request on which nothing hangs.
pub(crate) fn pull_request(number: u64) -> Value {
    json!({
        "__typename": "PullRequest",
        "id": format!("PR_{number}"),
        "number": number,
        "title": format!("Change {number}"),
        "body": "",
        "createdAt": time(number),
        "updatedAt": time(10_000 + number),
        "mergedAt": time(5_000 + number),
        "changedFiles": 1,
        "author": person("ann"),
        "baseRefName": "main",
        "headRefOid": format!("{number:040x}"),
        "mergeCommit": {"oid": format!("{:040x}", number + (1 << 32))},
        "labels": connection(vec![]),
        "commits": connection(vec![commit(number, 0)]),
        "files": connection(vec![file(0)]),
        "comments": connection(vec![]),
        "reviews": connection(vec![]),
        "reviewThreads": connection(vec![]),
        "closingIssuesReferences": connection(vec![]),
        "timelineItems": connection(vec![]),
    })
}

pub(crate) fn remark(id: &str, body: &str) -> Value {
    json!({
        "id": id, "author": person("rob"), "createdAt": time(6_000), "body": body,
        "state": "COMMENTED",
    })
}

fn commit(number: u64, place: u64) -> Value {
    json!({"commit": {
        "oid": format!("{:040x}", (number << 40) + place + 1),
        "message": format!("Step {place} of {number}"),
        "author": {"name": "Ann"},
    }})
}

fn file(place: u64) -> Value {
    json!({"path": format!("src/{place}.rs"), "additions": 3, "deletions": 1, "changeType": "MODIFIED"})
}

pub(crate) fn thread(id: &str, remarks: Vec<Value>) -> Value {
    json!({
        "__typename": "PullRequestReviewThread", "id": id, "path": "src/0.rs",
        "comments": connection(remarks),
    })
}

pub(crate) fn issue(number: u64, title: &str, body: &str) -> Value {
    json!({
        "__typename": "Issue", "number": number, "title": title, "body": body,
        "author": person("ida"), "repository": {"nameWithOwner": "owner/name"},
    })
}

/// A mention in pull request `from`.
pub(crate) fn reference(id: &str, from: u64) -> Value {
    json!({
        "__typename": "CrossReferencedEvent", "id": id, "actor": person("rob"),
        "createdAt": time(7_000), "willCloseTarget": false,
        "source": {
            "__typename": "PullRequest", "number": from,
            "repository": {"nameWithOwner": "owner/name"},
        },
    })
}

fn many<T>(count: u64, make: impl Fn(u64) -> T) -> Vec<T> {
    (0..count).map(make).collect()
}

/// A pull request with more of everything than fits on a page.
pub(crate) fn large(number: u64) -> Value {
    let id = |kind: &str, place: u64| format!("{kind}_{number}_{place}");
    let remarks = |kind: &str, count| {
        many(count, |place| remark(&id(kind, place), &format!("{kind} {place}")))
    };
    let threads = many(70, |place| {
        let talk = if place == 41 { 125 } else { 1 + place % 9 };
        thread(&id("RT", place), remarks(&format!("T{place}"), talk))
    });
    let mut large = pull_request(number);
    large["labels"] = connection(many(35, |place| json!({"name": format!("label {place}")})));
    large["commits"] = connection(many(140, |place| commit(number, place)));
    large["files"] = connection(many(210, file));
    large["comments"] = connection(remarks("C", 235));
    large["reviews"] = connection(remarks("R", 131));
    large["reviewThreads"] = connection(threads);
    large["closingIssuesReferences"] =
        connection(many(12, |place| issue(1_000 + place, "It fails", "always")));
    large["timelineItems"] = connection(many(135, |place| reference(&id("CR", place), place + 1)));
    // Its author's account was deleted, and a bot speaks under it.
    large["author"] = Value::Null;
    large["comments"]["__connection"][3]["author"] = json!({"__typename": "Bot", "login": "ci"});
    large
}

impl World {
    /// A repository with these pull requests.
    pub(crate) fn of(pull_requests: Vec<Value>) -> Self {
        Self { name: "owner/name".to_owned(), former: Vec::new(), pull_requests, remaining: 4_000 }
    }

    /// Many small pull requests and one large one.
    pub(crate) fn busy() -> Self {
        let mut pull_requests = many(121, |place| pull_request(place + 1));
        pull_requests[56] = large(57);
        Self::of(pull_requests)
    }

    /// Changes a pull request now, at this second of the day.
    pub(crate) fn update(&mut self, number: u64, second: u64, change: impl Fn(&mut Value)) {
        let found = self.pull_requests.iter_mut().find(|it| it["number"] == number).unwrap();
        found["updatedAt"] = time(second).into();
        change(found);
    }

    fn repository(&self) -> Value {
        json!({
            "__typename": "Repository", "id": "R_1", "nameWithOwner": self.name,
            "licenseInfo": {"spdxId": "MIT"}, "defaultBranchRef": {"name": "main"},
            "isArchived": false, "isFork": false, "stargazerCount": 7, "createdAt": time(0),
            "pullRequests": connection(self.pull_requests.clone()),
            "languages": {
                "totalSize": 4_000,
                "edges": [
                    {"size": 3_000, "node": {"name": "Rust"}},
                    {"size": 1_000, "node": {"name": "Python"}},
                ],
            },
        })
    }

    fn node(&self, id: &Value) -> Value {
        if id == "R_1" {
            return self.repository();
        }
        let threads = self.pull_requests.iter().flat_map(|pull_request| {
            pull_request["reviewThreads"]["__connection"].as_array().unwrap()
        });
        let found = self.pull_requests.iter().chain(threads).find(|node| node["id"] == *id);
        found.cloned().unwrap_or_default()
    }
}

impl Roots for World {
    fn root(&self, field: &str, arguments: &Map<String, Value>) -> Value {
        let text = |name: &str| arguments[name].as_str().unwrap().to_owned();
        match field {
            "repository" => {
                let name = format!("{}/{}", text("owner"), text("name"));
                let known = name == self.name || self.former.contains(&name);
                if known { self.repository() } else { Value::Null }
            }
            "node" => self.node(&arguments["id"]),
            "nodes" => {
                arguments["ids"].as_array().unwrap().iter().map(|id| self.node(id)).collect()
            }
            "rateLimit" => json!({
                "limit": 5_000, "cost": 1, "remaining": self.remaining,
                "resetAt": "2024-05-03T00:00:00Z",
            }),
            other => panic!("no field `{other}` at the top"),
        }
    }
}

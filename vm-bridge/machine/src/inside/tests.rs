//! The machine from the router's side, with a guest made of tasks.

use std::{cell::Cell, rc::Rc};

use futures::{FutureExt as _, StreamExt as _, future::join_all};
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    engine::{self, Event},
    surroundings::{Task, within},
    testing::{
        guest::digest,
        scene::{Answered, Scene, app, request, to_app},
    },
};

#[test]
fn nothing_is_loaded_before_it_is_needed() {
    let mut scene = Scene::new();
    assert_eq!(
        scene.get("/vm").json(),
        json!({
            "state": "unloaded", "stage": "", "loaded": 0, "total": 0, "engine": null, "memory": null,
            "from": null, "boot_ms": null, "error": null, "runtimes": [], "guest": null,
        })
    );
    assert_eq!(scene.get("/apps").json(), json!([]));
    assert_eq!(scene.get("/apps/a/logs").body, "");
    scene.stage.pass(60_000);
    assert_eq!(scene.guest.boots.get(), 0);
}

#[test]
fn an_app_is_started_when_it_is_asked_for() {
    let mut scene = Scene::new();
    let shop = app("shop", "listen", 8001);
    let answer = scene.visit(&shop, "/a%20b?c=d");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.failure, "", "what an app forges is not heard");
    assert_eq!(answer.body, "shop GET /a%20b?c=d host=localhost");
    assert_eq!(
        *scene.router.asked.borrow(),
        [
            "http://gateway/gateway/apps true".to_owned(),
            format!("http://gateway/gateway/apps/shop/bundle/{} true", digest(1)),
        ]
    );
    // It runs now.
    let answers: Vec<_> = (0..3).map(|_| scene.visit(&shop, "/").status).collect();
    assert_eq!(answers, [200; 3]);
    assert_eq!((scene.guest.boots.get(), scene.guest.starts.get()), (1, 1));
    let status = scene.get("/vm").json();
    assert_eq!(status["state"], "ready");
    assert_eq!(status["from"], "snapshot");
    assert_eq!(status["guest"]["load"], 0.5);
    assert_eq!(status["engine"], "v86");
    let apps = scene.get("/apps").json();
    assert_eq!(apps[0]["state"], "running");
    assert_eq!(apps[0]["last_lines"][0]["line"], "listen begins");
}

#[test]
fn requests_at_once_share_a_start_and_are_not_crossed() {
    let mut scene = Scene::new();
    let specs: Vec<_> = (0..4)
        .map(|number| app(&format!("app{number}"), "listen", 8001 + number))
        .collect();
    let machine = scene.machine.clone();
    let answers = scene.stage.run(async move {
        join_all((0..64).map(|number| {
            let path = format!("/{number}");
            let answer = machine.handle(to_app(&specs[number % 4], &path, 60_000), None);
            async move { Answered::read(answer.await).await }
        }))
        .await
    });
    for (number, answer) in answers.into_iter().enumerate() {
        let expected = format!("app{} GET /{number} host=localhost", number % 4);
        assert_eq!((answer.status, answer.body), (200, expected));
    }
    assert_eq!((scene.guest.boots.get(), scene.guest.starts.get()), (1, 4));
}

#[test]
fn one_app_does_not_wait_for_another() {
    let mut scene = Scene::new();
    let (good, late) = (app("good", "listen", 8001), app("late", "late", 8002));
    scene.visit(&good, "/");
    let machine = scene.machine.clone();
    let begun = scene.stage.now();
    let slow = machine.handle(to_app(&late, "/", 60_000), None);
    let world = scene.stage.world();
    let (waited, slow) = scene.stage.run(async move {
        let slow = async { Answered::read(slow.await).await };
        let quick = async {
            let answer = machine.handle(to_app(&good, "/", 60_000), None).await;
            assert_eq!(answer.status(), 200);
            world.now() - begun
        };
        futures::join!(quick, slow)
    });
    assert!(waited < 1_000, "{waited}");
    assert_eq!(slow.status, 200);
    assert!(scene.stage.now() - begun >= 10_000);
}

#[test]
fn whoever_does_not_wait_is_told_how_far_it_is() {
    let mut scene = Scene::new();
    let late = app("late", "late", 8001);
    let early = scene.ask(to_app(&late, "/", 100));
    assert_eq!((early.status, &*early.failure), (503, "starting"));
    assert_eq!(
        early.json(),
        json!({"message": "It is still starting", "state": "loading", "stage": "loading the kernel", "loaded": 1, "total": 2})
    );
    let later = scene.ask(to_app(&late, "/", 2_000));
    assert_eq!(
        later.json(),
        json!({"message": "It is still starting", "state": "starting", "stage": "waiting until the app listens", "loaded": 0, "total": 0})
    );
    assert_eq!(scene.get("/apps").json()[0]["state"], "starting");
    // The start went on.
    scene.stage.pass(10_000);
    assert_eq!(scene.ask(to_app(&late, "/", 0)).status, 200);
    assert_eq!(scene.guest.starts.get(), 1);
}

#[test]
fn a_state_that_was_not_told_is_asked_for() {
    let mut scene = Scene::new();
    scene.guest.is_quiet.set(true);
    let begun = scene.stage.now();
    assert_eq!(scene.visit(&app("shop", "listen", 8001), "/").status, 200);
    assert!(scene.stage.now() - begun < 5_000);
}

#[test]
fn an_app_that_never_listens() {
    let mut scene = Scene::new();
    let never = app("never", "never", 8001);
    let begun = scene.stage.now();
    let answer = scene.visit(&never, "/");
    assert_eq!((answer.status, &*answer.failure), (503, "never-listened"));
    assert_eq!(answer.json()["lines"], json!(["never begins"]));
    let waited = scene.stage.now() - begun;
    assert!((20_000..25_000).contains(&waited), "{waited}");
    // It is not begun anew: it may be slow.
    scene.visit(&never, "/");
    assert_eq!(scene.guest.starts.get(), 1);
}

#[test]
fn an_app_that_crashes_while_it_starts() {
    let mut scene = Scene::new();
    let crash = app("crash", "crash", 8001);
    let begun = scene.stage.now();
    let answer = scene.visit(&crash, "/");
    assert_eq!((answer.status, &*answer.failure), (502, "crashed"));
    assert_eq!(
        answer.json(),
        json!({
            "message": "The app ended before it listened on its port: exit code 3",
            "exit": {"code": 3},
            "lines": ["crash begins", "something is wrong"],
        })
    );
    assert!(scene.stage.now() - begun < 2_000);
    // Once it is given up, a request says so at once and does not start it.
    scene.stage.pass(2_500);
    assert_eq!(scene.get("/apps").json()[0]["state"], "crashed");
    assert_eq!(scene.visit(&crash, "/").failure, "crashed");
    assert_eq!(scene.guest.starts.get(), 1);
    // Whoever starts it by name means it, and so does a request a while after.
    let started = scene.send(Method::POST, "/apps/crash/start", &crash);
    assert_eq!(started.failure, "crashed");
    assert_eq!(scene.guest.starts.get(), 2);
    scene.stage.pass(60_000);
    scene.visit(&crash, "/");
    assert_eq!(scene.guest.starts.get(), 3);
}

#[test]
fn an_app_that_dies_is_told_of_and_started_again() {
    let mut scene = Scene::new();
    let (shop, other) = (app("shop", "listen", 8001), app("other", "listen", 8002));
    assert_eq!(scene.visit(&other, "/").status, 200);
    let answer = {
        scene.visit(&shop, "/");
        scene.visit(&shop, "/die")
    };
    assert_eq!((answer.status, &*answer.failure), (502, "crashed"));
    assert_eq!(answer.json()["exit"], json!({"signal": 9}));
    assert_eq!(
        answer.json()["lines"],
        json!(["listen begins", "it was killed"])
    );
    assert_eq!(scene.visit(&other, "/").status, 200);
    scene.stage.pass(5_000);
    assert_eq!(scene.visit(&shop, "/").status, 200);
}

#[test]
fn a_body_that_breaks_off_is_broken() {
    let mut scene = Scene::new();
    let answer = scene.visit(&app("shop", "listen", 8001), "/half");
    assert_eq!((answer.status, &*answer.body), (200, "half"));
    assert_eq!(
        answer.broken.as_deref(),
        Some("the app broke off the connection")
    );
}

#[test]
fn a_request_that_is_dropped_is_dropped_in_the_guest() {
    let mut scene = Scene::new();
    let shop = app("shop", "listen", 8001);
    scene.visit(&shop, "/");
    let visit = scene.machine.handle(to_app(&shop, "/wait", 60_000), None);
    let waiting = Task::run(&scene.stage.world(), visit.map(drop));
    scene.stage.pass(1_000);
    assert_eq!(scene.guest.open.get(), 1);
    drop(waiting);
    scene.stage.pass(100);
    assert_eq!(scene.guest.open.get(), 0);
}

#[test]
fn a_guest_asks_the_gateway_while_it_is_asked() {
    let mut scene = Scene::new();
    let shop = app("shop", "listen", 8001);
    let machine = scene.machine.clone();
    let answers = scene.stage.run(async move {
        join_all((0..20).map(|number| {
            let path = format!("/gateway/rest/v1/{number}");
            let answer = machine.handle(to_app(&shop, &path, 60_000), None);
            async move { Answered::read(answer.await).await }
        }))
        .await
    });
    for (number, answer) in answers.into_iter().enumerate() {
        let expected = format!("the gateway: http://localhost:5173/rest/v1/{number}");
        assert_eq!((answer.status, answer.body), (200, expected));
    }
    scene.router.is_gone.set(true);
    let answer = scene.visit(&app("shop", "listen", 8001), "/gateway/x");
    assert_eq!((answer.status, &*answer.failure), (503, ""));
    assert!(answer.body.contains("GATEWAY_UNAVAILABLE"), "{answer:?}");
}

#[test]
fn runtimes_come_and_go() {
    let mut scene = Scene::new();
    let mut shop = app("shop", "listen", 8001);
    shop["layers"] = json!(["node"]);
    let answer = scene.visit(&shop, "/");
    assert_eq!((answer.status, &*answer.failure), (424, "runtime-missing"));
    assert_eq!(answer.json()["missing"], json!(["node"]));
    assert_eq!(scene.guest.boots.get(), 0, "no machine is needed to say so");
    let status = scene.send(Method::PUT, "/vm/runtimes/node", &Value::Null);
    assert_eq!(
        status.json()["runtimes"][0]["installed"],
        true,
        "{status:?}"
    );
    assert_eq!(status.json()["runtimes"][1]["installed"], false);
    assert_eq!(scene.guest.boots.get(), 0, "nor to install it");
    assert_eq!(scene.visit(&shop, "/").status, 200);
    assert!(scene.guest.attached.borrow().contains("node"));
    assert_eq!(scene.guest.plan.borrow().as_ref().unwrap().layers, ["node"]);
    // It is in use.
    let refused = scene.send(Method::DELETE, "/vm/runtimes/node", &Value::Null);
    assert_eq!((refused.status, &*refused.failure), (400, "invalid"));
    assert_eq!(refused.json()["message"], "In use by shop");
    scene.send(Method::POST, "/apps/shop/stop", &Value::Null);
    let removed = scene.send(Method::DELETE, "/vm/runtimes/node", &Value::Null);
    assert_eq!(removed.status, 200, "{removed:?}");
    assert!(!scene.guest.attached.borrow().contains("node"));
    assert_eq!(scene.visit(&shop, "/").failure, "runtime-missing");
    let unknown = scene.send(Method::PUT, "/vm/runtimes/cobol", &Value::Null);
    assert_eq!((unknown.status, &*unknown.failure), (400, "invalid"));
    // One more, while it runs.
    scene.send(Method::PUT, "/vm/runtimes/python", &Value::Null);
    assert!(scene.guest.attached.borrow().contains("python"));
}

#[test]
fn apps_are_stopped_started_restarted_and_removed() {
    let mut scene = Scene::new();
    let shop = app("shop", "listen", 8001);
    let started = scene.send(Method::POST, "/apps/shop/start", &shop);
    assert_eq!(started.json()["state"], "running", "{started:?}");
    let stopped = scene.send(Method::POST, "/apps/shop/stop", &Value::Null);
    assert_eq!(stopped.json()["state"], "stopped");
    // It is started when it is asked for.
    assert_eq!(scene.visit(&shop, "/").status, 200);
    let restarted = scene.send(Method::POST, "/apps/shop/restart", &shop);
    assert_eq!(restarted.json()["state"], "running");
    assert_eq!(scene.guest.starts.get(), 3);
    // A newer bundle is brought and run.
    let mut newer = shop.clone();
    newer["bundle"] = digest(2).into();
    assert_eq!(scene.visit(&newer, "/").status, 200);
    assert_eq!(scene.guest.starts.get(), 4);
    assert_eq!(scene.guest.bundles.borrow().len(), 2);
    let removed = scene.send(Method::DELETE, "/apps/shop", &Value::Null);
    assert_eq!(removed.status, 204);
    assert_eq!(scene.get("/apps").json(), json!([]));
    assert!(scene.guest.apps.borrow().is_empty());
}

#[test]
fn a_start_outlives_who_asked_for_it() {
    let mut scene = Scene::new();
    let late = app("late", "late", 8001);
    let machine = scene.machine.clone();
    let world = scene.stage.world();
    let start = |spec: &Value| {
        let body = Body::from(spec.to_string());
        request(Method::POST, "/apps/late/start", body)
    };
    // The service worker dies while it waits, and the next one asks again.
    let (first, again) = (start(&late), start(&late));
    let answer = scene.stage.run(async move {
        let gone = within(&world, 2_000, machine.handle(first, None)).await;
        assert!(gone.is_err());
        Answered::read(machine.handle(again, None).await).await
    });
    assert_eq!(answer.json()["state"], "running", "{answer:?}");
    assert_eq!(scene.guest.starts.get(), 1);
    // One that is to be another is started in its place; so is one that is to begin anew.
    let mut other = late.clone();
    other["env"]["A"] = "2".into();
    let machine = scene.machine.clone();
    let world = scene.stage.world();
    let (first, again) = (start(&late), start(&other));
    scene.send(Method::POST, "/apps/late/stop", &Value::Null);
    let answer = scene.stage.run(async move {
        let gone = within(&world, 2_000, machine.handle(first, None)).await;
        assert!(gone.is_err());
        Answered::read(machine.handle(again, None).await).await
    });
    assert_eq!(answer.json()["state"], "running", "{answer:?}");
    assert_eq!(scene.guest.starts.get(), 3);
    let restarted = scene.send(Method::POST, "/apps/late/restart", &other);
    assert_eq!(restarted.json()["state"], "running");
    assert_eq!(scene.guest.starts.get(), 4);
}

#[test]
fn a_stop_ends_a_start() {
    let mut scene = Scene::new();
    let late = app("late", "late", 8001);
    let machine = scene.machine.clone();
    let world = scene.stage.world();
    let (answer, stopped) = scene.stage.run(async move {
        let visit = machine.handle(to_app(&late, "/", 60_000), None);
        let visit = async { Answered::read(visit.await).await };
        let stop = async {
            world.sleep(2_000).await;
            let stop = request(Method::POST, "/apps/late/stop", Body::empty());
            Answered::read(machine.handle(stop, None).await).await
        };
        futures::join!(visit, stop)
    });
    assert_eq!(answer.failure, "vm-failed", "{answer:?}");
    assert_eq!(stopped.json()["state"], "stopped");
    scene.stage.pass(60_000);
    assert_eq!(scene.get("/apps").json()[0]["state"], "stopped");
}

#[test]
fn the_machine_stops_and_starts() {
    let mut scene = Scene::new();
    let shop = app("shop", "listen", 8001);
    scene.visit(&shop, "/");
    let stopped = scene.send(Method::POST, "/vm/stop", &Value::Null);
    assert_eq!(stopped.json()["state"], "stopped");
    assert_eq!(scene.guest.stops.get(), 1);
    assert_eq!(scene.get("/apps").json()[0]["state"], "unloaded");
    let settings = json!({"engine": "v86", "memory": 300, "outbound": {"allow": []}});
    let starting = scene.send(Method::POST, "/vm/start", &settings);
    assert_eq!(starting.json()["state"], "loading");
    scene.stage.pass(3_000);
    let status = scene.get("/vm").json();
    assert_eq!(
        (&status["state"], &status["memory"]),
        (&json!("ready"), &json!(300))
    );
    assert_eq!(scene.guest.boots.get(), 2);
    let restarting = scene.send(Method::POST, "/vm/restart", &Value::Null);
    assert_eq!(restarting.json()["state"], "loading");
    assert_eq!(scene.visit(&shop, "/").status, 200);
    assert_eq!(scene.guest.boots.get(), 3);
}

#[test]
fn a_stop_while_it_boots() {
    let mut scene = Scene::new();
    scene.send(Method::POST, "/vm/start", &Value::Null);
    scene.stage.pass(100);
    let stopped = scene.send(Method::POST, "/vm/stop", &Value::Null);
    assert_eq!(stopped.json()["state"], "stopped");
    scene.stage.pass(60_000);
    assert_eq!(scene.get("/vm").json()["state"], "stopped");
}

#[test]
fn a_machine_that_does_not_boot() {
    let mut scene = Scene::new();
    let failure = engine::Failure::Corrupt {
        file: "kernel.bin".to_owned(),
    };
    scene.guest.failure.replace(Some(failure));
    let shop = app("shop", "listen", 8001);
    let answer = scene.visit(&shop, "/");
    assert_eq!((answer.status, &*answer.failure), (503, "vm-failed"));
    assert_eq!(answer.json()["reason"], "image-corrupt");
    assert_eq!(answer.json()["lines"], json!(["Linux"]));
    // The next request does not load it all again at once; a start by name does.
    scene.visit(&shop, "/");
    assert_eq!(scene.guest.boots.get(), 1);
    assert_eq!(scene.get("/vm").json()["error"]["code"], "image-corrupt");
    scene.send(Method::POST, "/vm/start", &Value::Null);
    scene.stage.pass(1_000);
    assert_eq!(scene.guest.boots.get(), 2);
    scene.guest.failure.take();
    scene.stage.pass(10_000);
    assert_eq!(scene.visit(&shop, "/").status, 200);
    assert_eq!(scene.get("/vm").json()["error"], Value::Null);
}

#[test]
fn an_agent_that_does_not_answer() {
    let mut scene = Scene::new();
    scene.guest.is_mute.set(true);
    let begun = scene.stage.now();
    let answer = scene.ask(to_app(&app("shop", "listen", 8001), "/", 600_000));
    assert_eq!((answer.status, &*answer.failure), (503, "vm-failed"));
    assert_eq!(
        answer.json()["message"],
        "The machine does not go on booting"
    );
    let waited = scene.stage.now() - begun;
    assert!(waited > 90_000 && waited < 100_000, "{waited}");
}

#[test]
fn a_machine_that_breaks_is_booted_again() {
    let mut scene = Scene::new();
    let shop = app("shop", "listen", 8001);
    scene.visit(&shop, "/");
    let broken = engine::Failure::Broken("it is on fire".to_owned());
    scene.guest.happens(Event::Failed(broken));
    scene.stage.pass(100);
    let status = scene.get("/vm").json();
    assert_eq!(status["state"], "error");
    assert_eq!(
        status["error"]["message"],
        "The machine failed: it is on fire"
    );
    scene.stage.pass(10_000);
    assert_eq!(scene.visit(&shop, "/").status, 200);
    assert_eq!((scene.guest.boots.get(), scene.guest.stops.get()), (2, 1));
}

#[test]
fn a_machine_that_breaks_while_it_boots() {
    let mut scene = Scene::new();
    scene.guest.is_mute.set(true);
    scene.send(Method::POST, "/vm/start", &Value::Null);
    scene.stage.pass(5_000);
    assert_eq!(scene.get("/vm").json()["state"], "booting");
    scene.guest.happens(Event::Halted);
    scene.stage.pass(100);
    assert_eq!(scene.get("/vm").json()["state"], "error");
}

#[test]
fn nobody_needs_it() {
    let mut scene = Scene::new();
    let shop = app("shop", "listen", 8001);
    scene.visit(&shop, "/");
    scene.stage.pass(700_000);
    assert_eq!(scene.get("/vm").json()["state"], "paused");
    assert!(scene.guest.paused.get());
    scene.stage.pass(3_600_000);
    assert_eq!(scene.visit(&shop, "/").status, 200);
    assert!(!scene.guest.paused.get());
    assert_eq!(scene.get("/vm").json()["state"], "ready");
    assert_eq!((scene.guest.boots.get(), scene.guest.starts.get()), (1, 1));
    let exec = scene.send(Method::POST, "/vm/exec", &json!({"command": ["ls"]}));
    assert_eq!(exec.status, 200);
}

#[test]
fn a_stuck_guest_tries_again() {
    let mut scene = Scene::new();
    scene.visit(&app("shop", "listen", 8001), "/");
    scene.guest.happens(Event::Stuck(engine::Failure::DiskFull));
    scene.stage.pass(10);
    scene.guest.paused.set(true);
    assert_eq!(scene.get("/vm").json()["error"]["code"], "disk-full");
    scene.stage.pass(5_000);
    assert!(!scene.guest.paused.get());
    assert_eq!(scene.get("/vm").json()["error"], Value::Null);
}

#[test]
fn a_disk_without_room_is_full_for_programs_and_everything_else_goes_on() {
    let mut scene = Scene::new();
    let shop = app("shop", "listen", 8001);
    scene.visit(&shop, "/");
    scene.guest.happens(Event::Room(Some(8_000_000)));
    scene.stage.pass(100);
    let status = scene.get("/vm").json();
    assert_eq!(
        (&status["state"], &status["error"]["code"]),
        (&json!("ready"), &json!("disk-full"))
    );
    assert!(!scene.guest.paused.get());
    assert_eq!(scene.visit(&shop, "/").status, 200);
    scene.guest.happens(Event::Room(None));
    scene.stage.pass(100);
    assert_eq!(scene.get("/vm").json()["error"], Value::Null);
    assert_eq!(*scene.guest.room.borrow(), [Some(1_000_000), None]);
}

#[test]
fn commands_are_run() {
    let mut scene = Scene::new();
    let answer = scene.send(
        Method::POST,
        "/vm/exec",
        &json!({"command": ["echo", "hi"]}),
    );
    assert_eq!(
        answer.json(),
        json!({"exit": 7, "stdout": "echo hi", "stderr": "!"})
    );
    let odd = scene.send(Method::POST, "/vm/exec", &json!({"command": 1}));
    assert_eq!((odd.status, &*odd.failure), (400, "invalid"));
}

#[test]
fn what_is_deployed_is_settled_after_a_boot() {
    let mut scene = Scene::new();
    let (old, kept) = (app("old", "listen", 8001), app("kept", "listen", 8002));
    scene.visit(&old, "/");
    scene.visit(&kept, "/");
    let mut auto = app("auto", "listen", 8003);
    auto["autostart"] = true.into();
    *scene.router.deployed.borrow_mut() = vec![kept, auto];
    scene.reload();
    scene.send(Method::POST, "/vm/start", &Value::Null);
    scene.stage.pass(10_000);
    let names: Vec<_> = scene.guest.apps.borrow().keys().cloned().collect();
    assert_eq!(names, ["auto", "kept"]);
    let apps = scene.get("/apps").json();
    assert_eq!(
        (&apps[0]["name"], &apps[0]["state"]),
        (&json!("auto"), &json!("running"))
    );
}

#[test]
fn what_is_not_deployed_any_more_is_removed_by_the_next_boot() {
    let mut scene = Scene::new();
    let names = ["deleted", "deleted-elsewhere", "kept"];
    for (name, port) in names.into_iter().zip(8001..) {
        scene.visit(&app(name, "listen", port), "/");
    }
    scene.send(Method::POST, "/vm/stop", &Value::Null);
    assert_eq!(
        scene
            .send(Method::DELETE, "/apps/deleted", &Value::Null)
            .status,
        204
    );
    *scene.router.deployed.borrow_mut() = vec![app("kept", "listen", 8003)];
    assert_eq!(scene.guest.apps.borrow().len(), 3);
    scene.send(Method::POST, "/vm/start", &Value::Null);
    scene.stage.pass(10_000);
    // The second was asked for in this worker's life: it may be deployed again a moment from now.
    let left: Vec<_> = scene.guest.apps.borrow().keys().cloned().collect();
    assert_eq!(left, ["deleted-elsewhere", "kept"]);
    scene.reload();
    scene.send(Method::POST, "/vm/start", &Value::Null);
    scene.stage.pass(10_000);
    let left: Vec<_> = scene.guest.apps.borrow().keys().cloned().collect();
    assert_eq!(left, ["kept"]);
    assert_eq!(scene.get("/apps").json().as_array().unwrap().len(), 1);
}

#[test]
fn what_starts_by_itself_is_as_it_is_to_be_now() {
    let with = |autostart: bool, env: &str| {
        let mut shop = app("shop", "listen", 8001);
        shop["autostart"] = autostart.into();
        shop["env"] = json!({ "A": env });
        shop
    };
    // How it was, how it is to be now; whether a request comes before all else; its starts in the
    // second life, and the value that its program has.
    let table = [
        (with(true, "1"), with(true, "1"), false, 1, Some("1")),
        (with(true, "1"), with(true, "1"), true, 1, Some("1")),
        (with(true, "1"), with(true, "2"), false, 2, Some("2")),
        (with(true, "1"), with(true, "2"), true, 2, Some("2")),
        (with(false, "1"), with(true, "2"), false, 1, Some("2")),
        (with(true, "1"), with(false, "2"), false, 1, None),
        (with(true, "1"), with(false, "2"), true, 2, Some("2")),
        (with(false, "1"), with(false, "2"), false, 0, None),
    ];
    for (before, now, asked, starts, env) in table {
        let what = format!("{before} {now} {asked}");
        let mut scene = Scene::new();
        scene.visit(&before, "/");
        *scene.router.deployed.borrow_mut() = vec![now.clone()];
        scene.reload();
        let first = scene.guest.starts.get();
        if asked {
            assert_eq!(scene.visit(&now, "/").status, 200, "{what}");
        } else {
            scene.send(Method::POST, "/vm/start", &Value::Null);
        }
        scene.stage.pass(10_000);
        assert_eq!(scene.guest.starts.get() - first, starts, "{what}");
        let apps = scene.guest.apps.borrow();
        let shop = &apps["shop"];
        let runs = shop.status.state == control::State::Running;
        let value = shop.app.env.iter().find(|(name, _)| name == "A");
        let value = value.map(|(_, value)| value.as_str()).filter(|_| runs);
        assert_eq!(value, env, "{what}");
    }
}

#[test]
fn logs_are_told_and_followed() {
    let mut scene = Scene::new();
    scene.visit(&app("shop", "listen", 8001), "/");
    for number in 0..5 {
        scene.guest.log("shop", &format!("line {number}"));
    }
    let told = scene.get("/apps/shop/logs?tail=2");
    let lines: Vec<Value> = told
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["line"], &lines[1]["line"]),
        (&json!("line 3"), &json!("line 4"))
    );
    assert_eq!(lines[0]["stream"], "stdout");
    let follow = request(
        Method::GET,
        "/apps/shop/logs?follow=true&tail=1",
        Body::empty(),
    );
    let answer = scene.machine.handle(follow, None);
    let guest = Rc::clone(&scene.guest);
    let heard = scene.stage.run(async move {
        let mut body = answer.await.into_body();
        let mut heard = vec![body.next().await.unwrap().unwrap()];
        guest.log("shop", "later");
        heard.push(body.next().await.unwrap().unwrap());
        guest.log("shop", "last");
        heard.push(body.next().await.unwrap().unwrap());
        heard
    });
    for (event, line) in heard.iter().zip(["line 4", "later", "last"]) {
        let event = String::from_utf8_lossy(event);
        assert!(
            event.starts_with("data: {") && event.ends_with("}\n\n"),
            "{event}"
        );
        assert!(event.contains(line), "{event}");
    }
}

#[test]
fn a_status_is_watched() {
    let mut scene = Scene::new();
    let watch = request(Method::GET, "/vm/events", Body::empty());
    let answer = scene.machine.handle(watch, None);
    let states = Rc::new(Cell::new(Vec::new()));
    let seen = Rc::clone(&states);
    scene.stage.world().spawn(Box::pin(async move {
        let mut body = answer.await.into_body();
        while let Some(Ok(event)) = body.next().await {
            let event = String::from_utf8_lossy(&event).into_owned();
            let json = event.strip_prefix("data: ").unwrap().trim_end().to_owned();
            let json: Value = serde_json::from_str(&json).unwrap();
            let mut all = seen.take();
            all.push(json["state"].as_str().unwrap().to_owned());
            all.dedup();
            seen.set(all);
        }
    }));
    scene.stage.pass(100);
    scene.send(Method::POST, "/vm/start", &Value::Null);
    scene.stage.pass(10_000);
    scene.send(Method::POST, "/vm/stop", &Value::Null);
    scene.stage.pass(1_000);
    let states = states.take();
    assert_eq!(states, ["unloaded", "loading", "ready", "stopped"]);
}

#[test]
fn what_is_asked_wrongly() {
    let mut scene = Scene::new();
    let shop = app("shop", "listen", 8001);
    let table = [
        (Method::GET, "/", 404, ""),
        (Method::GET, "/other", 404, ""),
        (Method::GET, "/vm/other", 404, ""),
        (Method::POST, "/vm", 405, ""),
        (Method::GET, "/vm/start", 405, ""),
        (Method::GET, "/vm/runtimes/node", 405, ""),
        (Method::GET, "/apps/shop", 405, ""),
        (Method::GET, "/apps/shop/start", 405, ""),
        (Method::POST, "/apps/shop/logs", 405, ""),
        (Method::GET, "/apps/shop/other", 404, ""),
        (Method::GET, "/http/shop/", 400, "invalid"),
        (Method::GET, "/ws/shop/", 400, "invalid"),
        (Method::GET, "/terminal", 400, "invalid"),
        (Method::POST, "/apps/shop/start", 400, "invalid"),
    ];
    for (method, path, status, failure) in table {
        let answer = scene.ask(request(method.clone(), path, Body::empty()));
        assert_eq!(
            (answer.status, &*answer.failure),
            (status, failure),
            "{method} {path}"
        );
    }
    for (key, value) in [
        ("name", json!("other")),
        ("port", json!(80)),
        ("bundle", json!("abc")),
        ("runtime", json!("cobol")),
    ] {
        let mut spec = shop.clone();
        spec[key] = value;
        let mut request = to_app(&shop, "/", 0);
        let header = spec.to_string().parse().unwrap();
        request.headers_mut().insert("x-gateway-app", header);
        let answer = scene.ask(request);
        assert_eq!((answer.status, &*answer.failure), (400, "invalid"), "{key}");
    }
    assert_eq!(scene.guest.boots.get(), 0);
}

#[test]
fn functions_are_asked_beside_the_guest() {
    let mut scene = Scene::new();
    assert_eq!(scene.get("/functions-state").json(), json!([]));
    let spec = json!({
        "name": "hello", "version": 3, "sha256": "0", "env": "0",
        "execution_id": "e", "trace": "t", "url": "http://localhost",
    });
    let mut to = request(Method::GET, "/functions/hello/x", Body::empty());
    let header = spec.to_string().parse().unwrap();
    to.headers_mut().insert("x-gateway-function", header);
    // What the router hands out as its bundle is none.
    let answer = scene.ask(to);
    assert_eq!((answer.status, &*answer.failure), (503, "boot-error"));
    let state = scene.get("/functions-state").json();
    assert_eq!(
        (&state[0]["name"], &state[0]["version"]),
        (&json!("hello"), &json!(3))
    );
    let state = scene.send(Method::POST, "/functions-forget", &json!({"name": "hello"}));
    assert_eq!(state.json()[0]["version"], Value::Null);
    let refused = [
        (Method::POST, "/functions-state", 405),
        (Method::GET, "/functions-forget", 405),
        (Method::POST, "/functions-forget", 400),
    ];
    for (method, path, status) in refused {
        assert_eq!(
            scene.send(method, path, &Value::Null).status,
            status,
            "{path}"
        );
    }
    assert_eq!(scene.guest.boots.get(), 0);
}

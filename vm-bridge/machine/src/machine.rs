//! The whole: requests from the router in, whatever serves the guest beside it.

use std::{fmt, rc::Rc};

use futures::future::LocalBoxFuture;
use http::{Request, Response};
use port::{
    Conversation, Exchange,
    peer::{Body, Lost},
};

use crate::{
    agent::News,
    apps::{Apps, Limits as AppLimits},
    functions::{Functions, Hosts, guest::InGuest},
    gateway::{self, Gateway, Router},
    inside::Inside,
    network::Network,
    outbound::{self, Proxy},
    parts::Parts,
    postgres::{self, Answer, Database, Listening, Roles},
    served::{self, Answers, Service},
    tunnel::Tunnel,
    vm::{Hooks, Limits, Services, Use, Vm, WeakVm},
};

/// A virtual machine, the apps in it, and the ways in and out. Nothing is loaded before it is needed.
#[derive(Debug, Clone)]
pub struct Machine(Inside);

impl Machine {
    pub fn new(parts: Parts) -> Self {
        let roles = Rc::<Roles>::default();
        let (world, router) = (Rc::clone(&parts.world), Rc::clone(&parts.router));
        let apps = Apps::new(
            Rc::clone(&world),
            router,
            Rc::clone(&roles),
            AppLimits::default(),
        );
        let outside = parts.clone();
        let vm = Vm::new_cyclic(parts, Limits::default(), |weak| {
            let serve = {
                let weak = weak.clone();
                Box::new(move |network: &Rc<dyn Network>| {
                    weak.upgrade()
                        .map_or_else(Vec::new, |vm| serve(&vm, network, &roles))
                })
            };
            let news = {
                let (weak, apps) = (weak.clone(), apps.clone());
                Box::new(move |news: &News| {
                    if let Some(vm) = weak.upgrade() {
                        apps.handle(news, vm.life().is_some() || vm.is_booting());
                    }
                })
            };
            let ready = {
                let (weak, apps) = (weak.clone(), apps.clone());
                Box::new(move || {
                    if let Some(vm) = weak.upgrade() {
                        let apps = apps.clone();
                        let world = Rc::clone(&vm.parts().world);
                        world.spawn(Box::pin(async move { apps.settle(&vm).await }));
                    }
                })
            };
            Hooks { serve, news, ready }
        });
        let hosts = Hosts {
            isolate: outside.isolates,
            vm: Rc::new(InGuest {
                vm: vm.clone(),
                runtime: outside.runtime,
            }),
        };
        let functions = Functions::new(Rc::clone(&world), hosts, outside.router, outside.fetch, {
            let vm = vm.clone();
            move || vm.settings().outbound
        });
        Self(Inside {
            world,
            vm,
            apps,
            functions,
        })
    }

    /// Answers a request of the router's; `tunnel` is the port that came with it.
    pub fn handle(
        &self,
        request: Request<Body>,
        tunnel: Option<Tunnel>,
    ) -> LocalBoxFuture<'static, Response<Body>> {
        let inside = self.0.clone();
        Box::pin(async move { inside.handle(request, tunnel).await })
    }

    /// Stops the machine and all functions, as when their tab is closed in peace.
    pub async fn stop(&self) {
        self.0.functions.stop();
        self.0.vm.stop().await;
    }
}

/// Whatever listens for the guest's programs.
fn serve(vm: &Vm, network: &Rc<dyn Network>, roles: &Rc<Roles>) -> Services {
    let parts = vm.parts();
    let serve = |port, answers: Rc<dyn Answers>| -> Box<dyn fmt::Debug> {
        let limits = served::Limits::default();
        let listener = network.listen(port);
        Box::new(Service::start(&parts.world, limits, listener, answers))
    };
    let gateway = Rc::new(Gateway(Rc::new(Noted {
        vm: vm.downgrade(),
        to: Rc::clone(&parts.router),
    })));
    let proxy = Rc::new(Proxy {
        world: Rc::clone(&parts.world),
        fetch: Rc::clone(&parts.fetch),
        policy: {
            let vm = vm.downgrade();
            Box::new(move || {
                vm.upgrade()
                    .map(|vm| vm.settings().outbound)
                    .unwrap_or_default()
            })
        },
        gateway: Rc::<Gateway>::clone(&gateway),
    });
    let postgres = Listening::start(
        &parts.world,
        postgres::Limits::default(),
        network.listen(postgres::PORT),
        Rc::new(Noted {
            vm: vm.downgrade(),
            to: Rc::clone(&parts.database),
        }),
        Rc::clone(roles),
    );
    vec![
        Box::new(postgres),
        serve(gateway::PORT, gateway),
        serve(outbound::PORT, Rc::<Proxy>::clone(&proxy)),
        serve(outbound::DIRECT_PORT, proxy),
    ]
}

/// Notes that the guest has something to do: a machine whose programs ask is not idle.
struct Noted<To: ?Sized> {
    vm: WeakVm,
    to: Rc<To>,
}

impl<To: ?Sized> Noted<To> {
    fn used(&self) -> Option<Use> {
        self.vm.upgrade().map(|vm| vm.in_use())
    }
}

impl Router for Noted<dyn Router> {
    fn request(
        &self,
        request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>> {
        let (used, answer) = (self.used(), self.to.request(request));
        Box::pin(async move {
            let answer = answer.await;
            drop(used);
            answer
        })
    }
}

impl Database for Noted<dyn Database> {
    fn exchange(&self, exchange: Exchange) -> (Conversation, Answer) {
        drop(self.used());
        self.to.exchange(exchange)
    }
}

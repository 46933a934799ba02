//! The services' instances: started, waited for, asked to end, killed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use testkit::process::{Process, binary};

use crate::platform::Platform;
use crate::service::{Ports, Service};

/// How long a service may take from its start until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running instance of a service.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) ports: Ports,
    pub(crate) process: Option<Process>,
}

impl Platform {
    /// Starts the first instance of a service, on the ports it had before, with `more` settings, and waits until it is
    /// ready.
    pub async fn start_service(&mut self, service: Service, more: &BTreeMap<String, String>) -> anyhow::Result<()> {
        self.launch(service, 0, more)?;
        self.ready(service, READY_WITHIN).await
    }

    /// Starts the first instance of a service and does not wait: it may be meant to die at once.
    pub fn launch_service(&mut self, service: Service, more: &BTreeMap<String, String>) -> anyhow::Result<()> {
        self.launch(service, 0, more)
    }

    /// Starts one more instance of a service beside those that run.
    pub async fn add_replica(&mut self, service: Service) -> anyhow::Result<()> {
        let replicas = self.instances.entry(service).or_default();
        replicas.push(Instance { ports: Ports::free(), process: None });
        let index = replicas.len() - 1;
        self.launch(service, index, &BTreeMap::new())?;
        self.ready_at(service, index, READY_WITHIN).await
    }

    /// How many instances of a service there are.
    #[must_use]
    pub fn replicas(&self, service: Service) -> usize {
        self.instances[&service].len()
    }

    /// Kills every instance of a service (SIGKILL) and waits until all are gone.
    pub async fn kill_every(&mut self, service: Service) -> anyhow::Result<()> {
        for instance in self.instances.get_mut(&service).into_iter().flatten() {
            if let Some(process) = &mut instance.process {
                process.sigkill()?;
                process.exit(Duration::from_secs(10)).await?;
            }
        }
        Ok(())
    }

    /// Starts every instance of a service, on the ports it had before, and waits until each is ready.
    pub async fn start_every(&mut self, service: Service) -> anyhow::Result<()> {
        let instances = 0..self.replicas(service);
        instances.clone().try_for_each(|index| self.launch(service, index, &BTreeMap::new()))?;
        for index in instances {
            self.ready_at(service, index, READY_WITHIN).await?;
        }
        Ok(())
    }

    /// Asks the instance that was added last to end, and forgets it.
    pub async fn remove_replica(&mut self, service: Service) -> anyhow::Result<()> {
        let replicas = self.instances.entry(service).or_default();
        ensure!(replicas.len() > 1, "there is no replica of {}", service.binary());
        let Some(Instance { process: Some(mut process), .. }) = replicas.pop() else { return Ok(()) };
        process.sigterm()?;
        let status = process.exit(Duration::from_secs(40)).await?;
        ensure!(status.success(), "{} ended with {status}", service.binary());
        Ok(())
    }

    /// The process of a service's first instance, while it has one.
    pub fn process(&mut self, service: Service) -> Option<&mut Process> {
        self.instances.get_mut(&service)?.first_mut()?.process.as_mut()
    }

    /// Kills the first instance (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self, service: Service) -> anyhow::Result<()> {
        if let Some(process) = self.process(service) {
            process.sigkill()?;
            process.exit(Duration::from_secs(10)).await?;
        }
        Ok(())
    }

    /// Asks the first instance to end and expects it to drain with exit code 0.
    pub async fn stop(&mut self, service: Service) -> anyhow::Result<()> {
        if let Some(process) = self.process(service) {
            process.sigterm()?;
            let status = process.exit(Duration::from_secs(40)).await?;
            ensure!(status.success(), "{} ended with {status}", service.binary());
        }
        Ok(())
    }

    /// Waits until the first instance says it is ready.
    pub async fn ready(&self, service: Service, within: Duration) -> anyhow::Result<()> {
        self.ready_at(service, 0, within).await
    }

    async fn ready_at(&self, service: Service, index: usize, within: Duration) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.instances[&service][index].ports.admin);
        let client = reqwest::Client::new();
        testkit::eventually(within, async || match client.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("{}: {}", answer.status(), answer.text().await.unwrap_or_default())),
            Err(problem) => Err(problem.to_string()),
        })
        .await
        .with_context(|| format!("{} is not ready", service.binary()))
    }

    fn launch(&mut self, service: Service, index: usize, more: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let pages = self.pages();
        let instance =
            self.instances.get_mut(&service).and_then(|all| all.get_mut(index)).context("no such instance")?;
        // The old process, if any, goes first: it holds the ports.
        instance.process = None;
        let mut launch = Process::of(binary(service.binary()));
        let mut ports = instance.ports.settings(service);
        if service == Service::IdentityLinking {
            // Whichever instance sends a card, it leads to one address, as behind a balancer.
            ports.insert(service.setting("PAGES_URL"), pages);
        }
        if let Some(password) = self.nats_users.get(&service) {
            launch = launch.env("TSUNAGI_NATS_USER", service.schema()).env("TSUNAGI_NATS_PASSWORD", password);
        }
        if let Some(clocks) = &self.clocks {
            launch = launch.env("TSUNAGI_CLOCK_URL", clocks.url(service, index));
        }
        for (name, value) in self.settings.iter().chain(&ports).chain(more) {
            launch = launch.env(name, value);
        }
        if let Some(folder) = &self.logs {
            launch = launch.log_to(folder.join(format!("{}-{index}.log", service.binary())));
        }
        instance.process = Some(launch.start()?);
        Ok(())
    }
}

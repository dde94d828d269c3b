//! What operators order of endpoints and of the log while the process runs; what replaces the whole configuration is in
//! [`crate::process`].

use std::time::Duration;

use evenkeel_base::unit::format_duration;
use evenkeel_base::{Address, Scheme};
use evenkeel_config::model::{Endpoint, LogLevel};
use evenkeel_control::AddedEndpoint;
use evenkeel_net::Lease;
use evenkeel_state::Unfit;
use evenkeel_state::command::{Answer, Done, EndpointOrder, Refused};

use crate::control_socket;
use crate::process::Process;

impl Process {
    pub(crate) fn order(&self, cluster: &str, endpoint: &str, order: EndpointOrder) -> Answer {
        let ordered = self.control.order(cluster, endpoint, order);
        let generation = ordered.map_err(refused)?;
        let what = match order {
            EndpointOrder::Admin(admin) => format!("{cluster}/{endpoint} is in {admin} now"),
            EndpointOrder::Weight(weight) => {
                format!("{cluster}/{endpoint} has a weight of {weight} now")
            }
            EndpointOrder::AsConfigured => {
                format!("{cluster}/{endpoint} is as the configuration has it now")
            }
        };
        tracing::info!(cluster, endpoint, generation, "by order: {what}");
        Ok(Done { what, generation })
    }

    /// Adds an endpoint to those of the configuration.
    pub(crate) async fn add(
        &self,
        cluster: &str,
        endpoint: &Endpoint,
        scheme: Option<Scheme>,
    ) -> Answer {
        let id = &endpoint.id;
        let own = self.console.socket().and_then(Lease::get);
        if let Address::Unix(path) = &endpoint.address
            && own.is_some_and(|own| control_socket::is_at(&own, path))
        {
            let why =
                "this is the control socket: whoever may send requests could give orders by it";
            return Err(Refused::Cannot(why.to_owned()));
        }
        let AddedEndpoint {
            generation,
            unresolved,
            is_used,
        } = self
            .control
            .add(cluster, endpoint, scheme)
            .await
            .map_err(refused)?;
        let what = match unresolved {
            Some(one) => format!("{cluster}/{id} was added, but {one}"),
            None if is_used => format!("{cluster}/{id} was added"),
            None => format!("{cluster}/{id} was added, and is none of those that this node uses"),
        };
        tracing::info!(cluster, endpoint = id, generation, "by order: {what}");
        Ok(Done { what, generation })
    }

    /// Takes an endpoint away that was added.
    pub(crate) fn remove(&self, cluster: &str, endpoint: &str) -> Answer {
        let (id, generation) = self.control.remove(cluster, endpoint).map_err(refused)?;
        let what = format!("{cluster}/{id} was removed; what is under way is finished");
        tracing::info!(cluster, endpoint = id, generation, "by order: {what}");
        Ok(Done { what, generation })
    }

    /// Logs down to another level.
    pub(crate) fn log_down_to(&mut self, level: Option<LogLevel>, time: Duration) -> Done {
        self.log.order(level, time);
        let logged = self.log.logged();
        self.life.logs(logged);
        let name = logged.level().name();
        let until = if level.is_none() {
            "as the configuration has it".to_owned()
        } else if time.is_zero() {
            "until the configuration is read again".to_owned()
        } else {
            format!("for {}", format_duration(time))
        };
        let what = format!("the log is written down to {name} {until}");
        tracing::info!("by order: {what}");
        self.done(&what)
    }

    /// The time of a level that was ordered is over.
    pub(crate) fn log_as_configured(&mut self) {
        self.log.order(None, Duration::ZERO);
        self.life.logs(self.log.logged());
        tracing::info!("the log is written as the configuration has it again");
    }
}

fn refused(unfit: Unfit) -> Refused {
    match unfit {
        Unfit::NotThere(what) => Refused::NotFound(what.to_string()),
        Unfit::Cannot(why) => Refused::Cannot(why),
    }
}

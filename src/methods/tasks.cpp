#include "methods/tables.hpp"

namespace ruche::methods {

std::vector<Method> task_methods() {
  Method show = value_of<model::TaskRef, model::TaskView>({
      .id = "task.show",
      .path = "/v1/tasks/{task}",
      .waits = true,
      .summary = "Show a task",
      .description =
          "Its plan in words, how far it is, and why it failed if it did. With `wait` the "
          "answer comes when it has ended, or after that time.",
      .command = "task show",
      .examples = {{"Look at one", "ruche task show 0197a2b3-…"}},
  });
  return {
      list_of<model::TaskView>({
          .id = "task.list",
          .path = "/v1/tasks",
          .request = &type_of<ListRequest>,
          .summary = "List tasks",
          .description = "Open tasks and the last ended ones, the newest first.",
          .command = "task list",
          .examples = {{"All of them", "ruche task list"},
                       {"What failed", "ruche task list --filter state=failed"},
                       {"The parts of a task for many VMs",
                        "ruche task list --filter parent=0197a2b3-…"}},
          .columns = {{"ID", "id"},
                      {"STATE", "state"},
                      {"SUMMARY", "summary"},
                      {"USER", "user"},
                      {"AGE", "created_at"}},
          .list_fields = {"id", "method", "summary", "state", "user", "parent", "host", "object",
                          "created_at", "ended_at"},
      }),
      std::move(show),
      task_of<model::TaskRef>({
          .id = "task.cancel",
          .verb = Verb::post,
          .path = "/v1/tasks/{task}/cancel",
          .role = Role::operator_,
          .urgent = true,
          .summary = "Cancel a task",
          .description =
              "Asks it to end; it takes back what it did. A task for many VMs asks those that it "
              "has begun; what they have done stays done. The answer is that task.",
          .command = "task cancel",
          .examples = {{"Cancel one", "ruche task cancel 0197a2b3-…"}},
      }),
  };
}

}  // namespace ruche::methods
